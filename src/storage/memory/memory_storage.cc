#include "storage/memory/memory_storage.h"

namespace holdfast {

class MemoryStorage::Writer final : public ObjectWriter {
  public:
    Writer(MemoryStorage& storage, std::string name, bool replaces)
        : storage_(storage), name_(std::move(name)), replaces_(replaces) {}

    Status append(ByteSpan data) override {
        data_.insert(data_.end(), data.begin(), data.end());
        return {};
    }
    Status commit(Durability durability) override {
        if (replaces_) {
            std::lock_guard lock(storage_.mutex_);
            const auto found = storage_.objects_.find(name_);
            if (found == storage_.objects_.end())
                return Error(ErrorCode::not_found, name_ + ": no such object");
            found->second = data_;
            return {};
        }
        return storage_.put(name_, data_, durability);
    }

  private:
    MemoryStorage& storage_;
    const std::string name_;
    const bool replaces_;
    Bytes data_;
};

Status MemoryStorage::put(const std::string& name, ByteSpan data, Durability) {
    std::lock_guard lock(mutex_);
    if (!objects_.emplace(name, Bytes(data.begin(), data.end())).second)
        return Error(ErrorCode::already_exists, name + ": exists");
    if (is_locked_ && is_locked_(name)) locks_[name] = now() + lock_duration_;
    return {};
}

Result<std::unique_ptr<ObjectWriter>> MemoryStorage::begin(const std::string& name) {
    return std::unique_ptr<ObjectWriter>(std::make_unique<Writer>(*this, name, false));
}

Result<std::unique_ptr<ObjectWriter>> MemoryStorage::begin_again(const std::string& name) {
    return std::unique_ptr<ObjectWriter>(std::make_unique<Writer>(*this, name, true));
}

Result<std::size_t> MemoryStorage::read_some(const std::string& name, std::uint64_t offset, MutableByteSpan out) {
    std::lock_guard lock(mutex_);
    const auto found = objects_.find(name);
    if (found == objects_.end()) return Error(ErrorCode::not_found, name + ": no such object");
    if (offset >= found->second.size()) return std::size_t{0};
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), found->second.size() - offset));
    std::copy_n(found->second.begin() + static_cast<std::ptrdiff_t>(offset), count, out.begin());
    return count;
}

Result<Bytes> MemoryStorage::get(const std::string& name, std::uint64_t limit_bytes) {
    std::lock_guard lock(mutex_);
    const auto found = objects_.find(name);
    if (found == objects_.end()) return Error(ErrorCode::not_found, name + ": no such object");
    if (found->second.size() > limit_bytes)
        return Error(ErrorCode::corrupt, name + ": larger than such an object can be");
    return found->second;
}

Result<ObjectInfo> MemoryStorage::head(const std::string& name) {
    std::lock_guard lock(mutex_);
    const auto found = objects_.find(name);
    if (found == objects_.end()) return Error(ErrorCode::not_found, name + ": no such object");
    return ObjectInfo{name, found->second.size()};
}

Status MemoryStorage::list(const std::string& prefix,
                           const std::function<bool(const ObjectInfo&)>& visit) {
    // As a disk does it: a prefix is of whole components.
    HF_CHECK(prefix.empty() || prefix.ends_with('/'));
    std::vector<ObjectInfo> found;
    {
        std::lock_guard lock(mutex_);
        for (auto it = objects_.lower_bound(prefix);
             it != objects_.end() && it->first.starts_with(prefix); ++it)
            found.push_back({it->first, it->second.size()});
    }
    for (const ObjectInfo& info : found)
        if (!visit(info)) break;
    return {};
}

Status MemoryStorage::adopt(const std::string& name) {
    HF_TRY_STATUS(head(name));
    return {};
}

Status MemoryStorage::remove(const std::string& name) {
    std::lock_guard lock(mutex_);
    const auto locked = locks_.find(name);
    if (locked != locks_.end() && locked->second > now()) return Error(ErrorCode::refused, name + ": is locked");
    objects_.erase(name);
    return {};
}

void MemoryStorage::lock_new(LockMode, TimeNs duration, std::function<bool(const std::string&)> is_locked) {
    std::lock_guard lock(mutex_);
    lock_duration_ = duration;
    is_locked_ = std::move(is_locked);
}

Result<std::optional<TimeNs>> MemoryStorage::locked_until(const std::string& name) {
    std::lock_guard lock(mutex_);
    if (!objects_.contains(name)) return Error(ErrorCode::not_found, name + ": no such object");
    const auto found = locks_.find(name);
    return found == locks_.end() || found->second <= now() ? std::nullopt : std::optional(found->second);
}

Status MemoryStorage::extend(const std::string& name, TimeNs until) {
    std::lock_guard lock(mutex_);
    if (!objects_.contains(name)) return Error(ErrorCode::not_found, name + ": no such object");
    TimeNs& locked = locks_[name];
    locked = std::max(locked, until);
    return {};
}

}  // namespace holdfast
