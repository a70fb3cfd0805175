#include "repository/member_cache.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cstdio>

#include "base/file_io.h"

namespace holdfast {
namespace {

// A table grows when 3/8 of it are taken: one bucket in 5,700 has more entries than it can hold then
// (with half as large buckets it would be one in 260).
constexpr std::size_t entry_bytes = 64, entries_a_bucket = 16;
constexpr std::size_t bucket_bytes = entry_bytes * entries_a_bucket;
constexpr std::size_t first_buckets = 1u << 10;  // 1 MiB
constexpr std::size_t max_buckets = 1u << 17;    // 128 MiB
using Entry = std::array<std::uint8_t, entry_bytes>;

// Guards against tearing, not against an attacker: who can write here owns the user's files.
std::uint64_t check_of(const std::uint8_t* entry) {
    std::uint64_t sum = 0x9E3779B97F4A7C15u;
    for (std::size_t i = 0; i < 56; i += 8) {
        std::uint64_t word;
        std::memcpy(&word, entry + i, 8);
        sum = (sum ^ word) * 0xD6E8FEB86659FD93u;
        sum ^= sum >> 32;
    }
    return sum;
}

bool is_whole(const std::uint8_t* entry) {
    std::uint64_t check;
    std::memcpy(&check, entry + 56, 8);
    return check == check_of(entry);
}

}  // namespace

std::unique_ptr<MemberCache> MemberCache::open(const std::string& path) {
    std::unique_ptr<MemberCache> cache(new MemberCache(path));
    if (path.empty()) return cache;
    // A second time in place of a file that is useless. Without a mapping the cache remembers nothing, which
    // is allowed.
    if (!cache->map(std::nullopt)) cache->map(std::nullopt);
    return cache;
}

MemberCache::~MemberCache() {
    unmap();
}

// As many buckets as asked for, or as the file has.
bool MemberCache::map(std::optional<std::size_t> wanted) {
    auto fd = open_file(path_, O_RDWR | O_CREAT, 0600);
    if (!fd.ok()) return false;
    // Of the file that was opened: another process may have put a larger one in its place just now.
    struct stat info{};
    if (::fstat(fd->get(), &info) != 0) return false;
    const std::size_t found = static_cast<std::size_t>(info.st_size) / bucket_bytes;
    if (found != 0 && !(std::has_single_bit(found) && found >= first_buckets && found <= max_buckets)) {
        ::unlink(path_.c_str());
        return false;
    }
    const std::size_t buckets = wanted.value_or(std::max(found, first_buckets));
    // Space is reserved now: a full disk would kill the process at a later store to the mapping. It is never
    // made smaller, or another process that has it mapped would be killed.
    const off_t bytes = static_cast<off_t>(buckets * bucket_bytes);
    if (::posix_fallocate(fd->get(), 0, bytes) != 0) return false;
    void* mapping = ::mmap(
        nullptr, buckets * bucket_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd->get(), 0);
    if (mapping == MAP_FAILED) return false;
    table_ = static_cast<std::uint8_t*>(mapping);
    buckets_ = buckets;
    return true;
}

void MemberCache::unmap() {
    if (table_ != nullptr) ::munmap(table_, buckets_ * bucket_bytes);
    table_ = nullptr;
    buckets_ = 0;
}

std::optional<MemberPlace> MemberCache::find(const Digest& member) {
    std::lock_guard lock(mutex_);
    if (table_ == nullptr) return std::nullopt;
    std::uint64_t key;
    std::memcpy(&key, member.bytes.data() + 8, 8);
    const std::uint8_t* bucket = table_ + (key & (buckets_ - 1)) * bucket_bytes;
    for (std::size_t i = 0; i < entries_a_bucket; ++i) {
        Entry entry;
        std::memcpy(entry.data(), bucket + i * entry_bytes, entry_bytes);
        if (std::memcmp(entry.data(), member.bytes.data(), 16) != 0 || !is_whole(entry.data()))
            continue;
        MemberPlace place;
        std::memcpy(place.chunk.bytes.data(), entry.data() + 16, 32);
        std::memcpy(&place.offset, entry.data() + 48, 4);
        std::memcpy(&place.bytes, entry.data() + 52, 4);
        return place;
    }
    return std::nullopt;
}

void MemberCache::store(std::span<const std::uint8_t, 64> entry) {
    std::uint64_t key;
    std::memcpy(&key, entry.data() + 8, 8);
    std::uint8_t* bucket = table_ + (key & (buckets_ - 1)) * bucket_bytes;
    std::size_t slot = static_cast<std::size_t>(key >> 60);  // who must go, if all are taken
    for (std::size_t i = 0; i < entries_a_bucket; ++i) {
        const std::uint8_t* other = bucket + i * entry_bytes;
        if (std::memcmp(other, entry.data(), 16) == 0 || !is_whole(other)) {
            slot = i;
            break;
        }
    }
    std::memcpy(bucket + slot * entry_bytes, entry.data(), entry_bytes);
}

void MemberCache::insert(const Digest& member, const MemberPlace& place) {
    Entry entry;
    std::memcpy(entry.data(), member.bytes.data(), 16);
    std::memcpy(entry.data() + 16, place.chunk.bytes.data(), 32);
    std::memcpy(entry.data() + 48, &place.offset, 4);
    std::memcpy(entry.data() + 52, &place.bytes, 4);
    const std::uint64_t check = check_of(entry.data());
    std::memcpy(entry.data() + 56, &check, 8);
    std::lock_guard lock(mutex_);
    if (table_ == nullptr) return;
    store(entry);
    if (++inserted_ > buckets_ * entries_a_bucket * 3 / 8 && buckets_ < max_buckets) grow();
}

void MemberCache::grow() {
    const std::size_t old_buckets = buckets_;
    std::uint8_t* const old_table = table_;
    inserted_ = 0;
    std::size_t used = 0;
    for (std::size_t i = 0; i < old_buckets * entries_a_bucket; ++i)
        if (is_whole(old_table + i * entry_bytes)) ++used;
    if (used < old_buckets * entries_a_bucket * 3 / 8) return;
    // A new file takes the old one's name; processes that have the old one keep it until they end.
    ::unlink(path_.c_str());
    table_ = nullptr;
    if (!map(old_buckets * 2)) {
        table_ = old_table;
        buckets_ = old_buckets;
        return;
    }
    for (std::size_t i = 0; i < old_buckets * entries_a_bucket; ++i) {
        const std::uint8_t* entry = old_table + i * entry_bytes;
        if (is_whole(entry)) store(std::span<const std::uint8_t, 64>(entry, 64));
    }
    ::munmap(old_table, old_buckets * bucket_bytes);
}

}  // namespace holdfast
