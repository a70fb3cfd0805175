#include "storage/storage.h"

namespace holdfast {

Result<std::vector<ObjectInfo>> list_objects(Storage& storage, const std::string& prefix) {
    std::vector<ObjectInfo> objects;
    HF_TRY_STATUS(storage.list(prefix, [&objects](const ObjectInfo& info) {
        objects.push_back(info);
        return true;
    }));
    return objects;
}

}  // namespace holdfast
