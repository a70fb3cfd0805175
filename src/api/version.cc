#include "api/version.h"

namespace holdfast {

const char* version_text() {
    return HOLDFAST_VERSION;
}

std::vector<std::string> features() {
    return {"format 1", "storage local", "source files", "source stream", "types full incremental differential"};
}

}  // namespace holdfast
