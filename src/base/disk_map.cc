#include "base/disk_map.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>

#include "base/file_io.h"

namespace holdfast {
namespace {

constexpr std::size_t first_slots = 1u << 16;
constexpr std::size_t write_bytes = 64u << 10;
// What an entry in memory takes besides its value: a node of the map.
constexpr std::size_t entry_overhead = 80;

}  // namespace

std::size_t DiskMap::KeyHash::operator()(const Key& key) const {
    std::uint64_t hash = (key.first + 0x9E3779B97F4A7C15u) * 0xD6E8FEB86659FD93u;
    hash = (hash ^ (hash >> 32) ^ key.second) * 0xD6E8FEB86659FD93u;
    return static_cast<std::size_t>(hash ^ (hash >> 32));
}

Result<bool> DiskMap::insert(const Key& key, ByteSpan value) {
    if (slots_ == nullptr) {
        const bool is_new = memory_.try_emplace(key, value.begin(), value.end()).second;
        if (!is_new) return false;
        used_bytes_ += entry_overhead + value.size();
        if (used_bytes_ > memory_bytes_) HF_TRY_STATUS(move_to_disk());
        return true;
    }
    if (slot_of(key)->offset_and_one != 0) return false;
    HF_TRY_STATUS(insert_on_disk(key, value));
    return true;
}

Result<std::optional<Bytes>> DiskMap::find(const Key& key) const {
    if (slots_ == nullptr) {
        const auto found = memory_.find(key);
        if (found == memory_.end()) return std::optional<Bytes>();
        return std::optional<Bytes>(found->second);
    }
    const Slot& slot = *slot_of(key);
    if (slot.offset_and_one == 0) return std::optional<Bytes>();
    const std::uint64_t offset = slot.offset_and_one - 1;
    const std::uint64_t written = values_bytes_ - unwritten_.size();
    Bytes value(static_cast<std::size_t>(slot.bytes));
    if (offset >= written) {
        const auto start = unwritten_.begin() + static_cast<std::ptrdiff_t>(offset - written);
        std::copy_n(start, value.size(), value.begin());
        return std::optional<Bytes>(std::move(value));
    }
    HF_TRY(const std::size_t count, read_at(values_.get(), value, offset, "the temporary file"));
    if (count != value.size()) return Error(ErrorCode::internal, "the temporary file ended early");
    return std::optional<Bytes>(std::move(value));
}

void DiskMap::clear() {
    if (slots_ != nullptr) ::munmap(slots_, slot_count_ * sizeof(Slot));
    slots_ = nullptr;
    slot_count_ = count_ = used_bytes_ = 0;
    values_.reset();
    values_bytes_ = 0;
    unwritten_.clear();
    memory_.clear();
}

Status DiskMap::move_to_disk() {
    HF_TRY(values_, open_temporary_file());
    HF_TRY_STATUS(grow(first_slots));
    for (const auto& [key, value] : memory_) HF_TRY_STATUS(insert_on_disk(key, value));
    memory_ = {};
    return {};
}

// The slot that has the key, or the one that it would get.
DiskMap::Slot* DiskMap::slot_of(const Key& key) const {
    std::size_t number = KeyHash()(key) & (slot_count_ - 1);
    while (slots_[number].offset_and_one != 0 && slots_[number].key != key)
        number = (number + 1) & (slot_count_ - 1);
    return &slots_[number];
}

Status DiskMap::insert_on_disk(const Key& key, ByteSpan value) {
    if (2 * (count_ + 1) > slot_count_) HF_TRY_STATUS(grow(2 * slot_count_));
    *slot_of(key) = {key, values_bytes_ + 1, value.size()};
    ++count_;
    unwritten_.insert(unwritten_.end(), value.begin(), value.end());
    values_bytes_ += value.size();
    if (unwritten_.size() < write_bytes) return {};
    HF_TRY_STATUS(write_at(values_.get(), unwritten_, values_bytes_ - unwritten_.size(),
                           "the temporary file"));
    unwritten_.clear();
    return {};
}

// Maps a table of so many slots and moves all entries into it. The mapping holds its file.
Status DiskMap::grow(std::size_t slots) {
    HF_TRY(const UniqueFd file, open_temporary_file());
    const std::size_t bytes = slots * sizeof(Slot);
    // Space is reserved now: a full disk would kill the process at a later store to the mapping.
    if (const int error = ::posix_fallocate(file.get(), 0, static_cast<off_t>(bytes)); error != 0)
        return Error::from_errno(error, "the temporary file");
    void* mapping = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
    if (mapping == MAP_FAILED) return Error::from_errno(errno, "mapping the temporary file");
    Slot* const old = slots_;
    const std::size_t old_count = slot_count_;
    slots_ = static_cast<Slot*>(mapping);
    slot_count_ = slots;
    for (std::size_t i = 0; i < old_count; ++i)
        if (old[i].offset_and_one != 0) *slot_of(old[i].key) = old[i];
    if (old != nullptr) ::munmap(old, old_count * sizeof(Slot));
    return {};
}

}  // namespace holdfast
