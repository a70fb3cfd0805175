#include "storage/storage.h"

namespace holdfast {

Result<Bytes> read_object(Storage& storage, const std::string& name, std::uint64_t limit_bytes) {
    HF_TRY(const ObjectInfo info, storage.head(name));
    if (info.bytes > limit_bytes)
        return Error(ErrorCode::corrupt, name + ": larger than such an object can be");
    Bytes data(static_cast<std::size_t>(info.bytes));
    HF_TRY_STATUS(storage.read(name, 0, data));
    return data;
}

Result<std::vector<ObjectInfo>> list_objects(Storage& storage, const std::string& prefix) {
    std::vector<ObjectInfo> objects;
    HF_TRY_STATUS(storage.list(prefix, [&objects](const ObjectInfo& info) {
        objects.push_back(info);
        return true;
    }));
    return objects;
}

}  // namespace holdfast
