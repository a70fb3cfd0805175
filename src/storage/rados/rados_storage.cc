#include "storage/rados/rados_storage.h"

#include <algorithm>
#include <cerrno>
#include <limits>

#include "base/random.h"
#include "storage/object_checks.h"
#include "storage/spool/spooled_writer.h"

namespace holdfast {
namespace {

// What a cluster takes in one operation, unless it is told otherwise (osd_max_write_size).
constexpr std::size_t max_object_bytes = 90u << 20;
// How many sizes are asked for at once: an answer takes a fraction of a millisecond.
constexpr std::size_t sizes_at_once = 64;

Error too_large(const std::string& name) {
    return {ErrorCode::unsupported,
            name + ": larger than an object of a Ceph cluster may be (90 MiB, osd_max_write_size)"};
}

Error not_found(const std::string& name) {
    return {ErrorCode::not_found, name + ": no such object"};
}

}  // namespace

Result<std::unique_ptr<Storage>> RadosStorage::open(const std::string& location,
                                                    OpenMode mode,
                                                    const StorageOptions& options,
                                                    const Environment& environment) {
    HF_TRY(RadosLocation parsed, parse_rados_location(location, environment));
    HF_TRY(auto pool, RadosPool::open(std::move(parsed), {.backoff = options.backoff, .stop = options.stop},
                                      system_clock(), system_random()));
    std::unique_ptr<Storage> storage(new RadosStorage(std::move(pool)));
    if (mode == OpenMode::create) HF_TRY_STATUS(check_empty(*storage));
    return storage;
}

Error RadosStorage::write_error(int result, const std::string& name) const {
    if (result == -EMSGSIZE || result == -EFBIG) return too_large(name);
    return pool_->error_of(result, name);
}

Status RadosStorage::put(const std::string& name, ByteSpan data, Durability) {
    if (data.size() > max_object_bytes) return too_large(name);
    const RadosOutcome outcome = pool_->create(name, data);
    if (outcome.result >= 0) return {};
    if (outcome.result != -EEXIST) return write_error(outcome.result, name);
    if (outcome.tries > 1) {
        HF_TRY(const bool is_ours, is_stored(*this, name, data));
        if (is_ours) return {};
    }
    return Error(ErrorCode::already_exists, name + ": exists");
}

Status RadosStorage::replace(const std::string& name, ByteSpan data) {
    if (data.size() > max_object_bytes) return too_large(name);
    const RadosOutcome outcome = pool_->replace(name, data);
    if (outcome.result >= 0) return {};
    return outcome.result == -ENOENT ? not_found(name) : write_error(outcome.result, name);
}

Result<std::unique_ptr<ObjectWriter>> RadosStorage::begin(const std::string& name) {
    return std::unique_ptr<ObjectWriter>(std::make_unique<SpooledWriter>(
        [this, name](ByteSpan whole) { return put(name, whole, Durability::immediate); }));
}

Result<std::unique_ptr<ObjectWriter>> RadosStorage::begin_again(const std::string& name) {
    return std::unique_ptr<ObjectWriter>(
        std::make_unique<SpooledWriter>([this, name](ByteSpan whole) { return replace(name, whole); }));
}

Status RadosStorage::adopt(const std::string& name) {
    HF_TRY_STATUS(head(name));
    return {};
}

Result<std::size_t> RadosStorage::read_some(const std::string& name, std::uint64_t offset, MutableByteSpan out) {
    if (out.empty() || offset > std::numeric_limits<std::uint64_t>::max() - out.size()) return std::size_t{0};
    std::size_t done = 0;
    // A count is an int.
    constexpr std::size_t max_read_bytes = 64u << 20;
    while (done < out.size()) {
        const MutableByteSpan rest = out.subspan(done, std::min(max_read_bytes, out.size() - done));
        const int result = pool_->read(name, offset + done, rest).result;
        if (result == -ENOENT) return not_found(name);
        if (result < 0) return pool_->error_of(result, name);
        done += static_cast<std::size_t>(result);
        if (static_cast<std::size_t>(result) < rest.size()) break;
    }
    return done;
}

Result<Bytes> RadosStorage::get(const std::string& name, std::uint64_t limit_bytes) {
    HF_TRY(ObjectInfo info, head(name));
    // One byte more than there is: an object that was written again meanwhile may be longer, and is read again.
    for (;;) {
        if (info.bytes > limit_bytes || info.bytes > std::numeric_limits<std::size_t>::max() - 1)
            return Error(ErrorCode::corrupt, name + ": larger than such an object can be");
        Bytes data(static_cast<std::size_t>(info.bytes) + 1);
        HF_TRY(const std::size_t got, read_some(name, 0, data));
        data.resize(got);
        if (got <= info.bytes) return data;
        HF_TRY(info, head(name));
    }
}

Result<ObjectInfo> RadosStorage::head(const std::string& name) {
    HF_TRY(const auto bytes, pool_->size_of(name));
    if (!bytes) return not_found(name);
    return ObjectInfo{name, *bytes};
}

Status RadosStorage::list(const std::string& prefix, const std::function<bool(const ObjectInfo&)>& visit) {
    HF_TRY(auto names, pool_->names([&prefix](std::string_view name) { return name.starts_with(prefix); }));
    std::sort(names.begin(), names.end());
    // While a placement group is split, a name may come twice.
    names.erase(std::unique(names.begin(), names.end()), names.end());
    for (std::size_t begin = 0; begin < names.size(); begin += sizes_at_once) {
        const std::span part = std::span(names).subspan(begin, std::min(sizes_at_once, names.size() - begin));
        HF_TRY(const auto sizes, pool_->sizes_of(part));
        for (std::size_t i = 0; i < part.size(); ++i)
            // One that is gone was removed meanwhile.
            if (sizes[i] && !visit({part[i], *sizes[i]})) return {};
    }
    return {};
}

Status RadosStorage::remove(const std::string& name) {
    const int result = pool_->remove(name).result;
    if (result >= 0 || result == -ENOENT) return {};
    return pool_->error_of(result, name);
}

}  // namespace holdfast
