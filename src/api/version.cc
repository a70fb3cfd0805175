#include "api/version.h"

namespace holdfast {

const char* version_text() {
    return HOLDFAST_VERSION;
}

std::vector<std::string> features() {
    return {"format 1",
            "storage local s3 sftp swift rados",
            "source files stream bucket",
            "target directory bucket",
            "types full incremental differential synthetic_full",
            "replica bucket"};
}

}  // namespace holdfast
