#include "storage/storage.h"

namespace holdfast {

Status Storage::read(const std::string& name, std::uint64_t offset, MutableByteSpan out) {
    HF_TRY(const std::size_t count, read_some(name, offset, out));
    if (count != out.size()) return Error(ErrorCode::corrupt, name + ": shorter than it should be");
    return {};
}

Result<std::vector<ObjectInfo>> list_objects(Storage& storage, const std::string& prefix) {
    std::vector<ObjectInfo> objects;
    HF_TRY_STATUS(storage.list(prefix, [&objects](const ObjectInfo& info) {
        objects.push_back(info);
        return true;
    }));
    return objects;
}

Status remove_if_allowed(Storage& storage, const std::string& name) {
    Status removed = storage.remove(name);
    return !removed.ok() && removed.error().code() == ErrorCode::permission_denied ? ok_status() : std::move(removed);
}

}  // namespace holdfast
