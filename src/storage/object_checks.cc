#include "storage/object_checks.h"

#include <algorithm>

#include "base/random.h"

namespace holdfast {

Status check_empty(Storage& storage) {
    bool is_empty = true;
    HF_TRY_STATUS(storage.list("", [&is_empty](const ObjectInfo& info) {
        is_empty = info.name.starts_with("keys/") || info.name.starts_with(probe_folder);
        return is_empty;
    }));
    if (!is_empty) return Error(ErrorCode::already_exists, storage.description() + ": is not empty");
    return {};
}

Status check_put_if_absent(Storage& storage) {
    const std::string name = probe_folder + to_hex(system_random().array<16>());
    HF_TRY_STATUS(storage.put(name, as_bytes("first"), Durability::none));
    const Status again = storage.put(name, as_bytes("second"), Durability::none);
    // A bucket may lock all that it holds for a time, and who makes a repository need not be allowed to delete: a prune takes
    // it away later.
    const Status removed = remove_if_allowed(storage, name);
    if (!removed.ok() && removed.error().code() != ErrorCode::refused) return removed;
    if (!again.ok() && again.error().code() == ErrorCode::already_exists) return {};
    if (!again.ok()) return again;
    return Error(ErrorCode::unsupported,
                 storage.description() + ": the service replaces objects that it is asked to keep (If-None-Match)");
}

Result<bool> is_stored(Storage& storage, const std::string& name, ByteSpan data) {
    constexpr std::size_t piece_bytes = 4u << 20;
    const auto info = storage.head(name);
    if (!info.ok() && info.error().code() == ErrorCode::not_found) return false;
    if (!info.ok()) return info.error();
    if (info->bytes != data.size()) return false;
    Bytes piece(std::min(piece_bytes, data.size()));
    for (std::size_t offset = 0; offset < data.size();) {
        const ByteSpan expected = data.subspan(offset, std::min(piece.size(), data.size() - offset));
        const auto got = storage.read_some(name, offset, MutableByteSpan(piece).first(expected.size()));
        if (!got.ok() && got.error().code() == ErrorCode::not_found) return false;
        // Packs, whose names are random: its size has to do.
        if (!got.ok() && got.error().code() == ErrorCode::frozen) return true;
        if (!got.ok()) return got.error();
        if (*got != expected.size() || !std::equal(expected.begin(), expected.end(), piece.begin())) return false;
        offset += expected.size();
    }
    return true;
}

}  // namespace holdfast
