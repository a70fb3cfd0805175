#include "storage/cache/cached_storage.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "base/file_io.h"
#include "base/random.h"
#include "base/unique_fd.h"
#include "crypto/digest.h"

namespace holdfast {
namespace {

constexpr std::size_t check_bytes = sizeof(Digest::bytes);
// Room is looked for when so much was kept since the last time.
constexpr std::uint64_t bytes_between_looks = 64u << 20;

bool is_of_blocks(const std::string& name) {
    return name.starts_with("meta/") || name.starts_with("points/");
}
std::string key_of(const std::string& name, std::uint64_t number) {
    return name + '#' + std::to_string(number);
}
bool is_kept_whole(const std::string& name) {
    return name.starts_with("index/");
}

// What an entry ends with: of the name too, so that one is not taken for another.
Digest check_of(const std::string& key, ByteSpan data) {
    Hasher hasher;
    hasher.update(as_bytes(key));
    hasher.update(data);
    return hasher.finish();
}

// Not synced: what a crash tears is found out by its check. Two processes that keep the same write the same.
Status write_entry(const std::string& path, ByteSpan entry) {
    HF_TRY_STATUS(make_directories(path.substr(0, path.rfind('/')), 0700));
    const std::string temporary = path + '.' + to_hex(system_random().array<4>());
    HF_TRY(const UniqueFd fd, open_file(temporary, O_WRONLY | O_CREAT | O_EXCL, 0600));
    Status written = write_all(fd.get(), entry, temporary.c_str());
    if (written.ok() && ::rename(temporary.c_str(), path.c_str()) != 0) written = Error::from_errno(errno, path);
    if (!written.ok()) ::unlink(temporary.c_str());
    return written;
}

}  // namespace

CachedStorage::CachedStorage(Storage& storage, std::string directory, std::uint64_t max_bytes)
    : storage_(storage), directory_(std::move(directory)), max_bytes_(max_bytes) {}

// Two levels: a directory of a hundred thousand files is slow.
std::string CachedStorage::path_of(const std::string& key) const {
    const std::string name = to_hex(ByteSpan(plain_hash(as_bytes(key)).bytes).first(16));
    return directory_ + "/objects/" + name.substr(0, 2) + '/' + name.substr(2);
}

std::optional<Bytes> CachedStorage::load(const std::string& key) const {
    if (directory_.empty()) return std::nullopt;
    const std::string path = path_of(key);
    auto data = read_file(path, block_bytes + check_bytes);
    if (!data.ok() || data->size() < check_bytes) return std::nullopt;
    const Digest check = check_of(key, ByteSpan(*data).first(data->size() - check_bytes));
    if (!std::equal(check.bytes.begin(), check.bytes.end(), data->end() - check_bytes)) return std::nullopt;
    data->resize(data->size() - check_bytes);
    // What was used last stays the longest. Not each time: a change of an inode is a write.
    struct stat info{};
    constexpr time_t hour = 3600;
    if (::stat(path.c_str(), &info) == 0 && info.st_atime < info.st_mtime + hour)
        (void)::utimensat(AT_FDCWD, path.c_str(), nullptr, 0);
    return std::move(*data);
}

// What cannot be kept is read again another time.
void CachedStorage::keep(const std::string& key, ByteSpan data) {
    if (directory_.empty()) return;
    const std::string path = path_of(key);
    Bytes entry(data.begin(), data.end());
    const Digest check = check_of(key, data);
    entry.insert(entry.end(), check.bytes.begin(), check.bytes.end());
    if (!write_entry(path, entry).ok()) return;
    {
        const std::lock_guard lock(mutex_);
        kept_bytes_ += entry.size();
        if (has_made_room_ && kept_bytes_ < bytes_between_looks) return;
        has_made_room_ = true;
        kept_bytes_ = 0;
    }
    make_room();
}

void CachedStorage::make_room() {
    struct Entry {
        std::filesystem::file_time_type used;
        std::uint64_t bytes;
        std::filesystem::path path;
    };
    std::vector<Entry> entries;
    std::uint64_t total = 0;
    std::error_code error;
    for (const auto& file : std::filesystem::recursive_directory_iterator(directory_ + "/objects", error)) {
        if (!file.is_regular_file(error)) continue;
        entries.push_back({file.last_write_time(error), file.file_size(error), file.path()});
        total += entries.back().bytes;
    }
    if (total <= max_bytes_) return;
    std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.used < b.used; });
    for (const Entry& entry : entries) {
        if (total <= max_bytes_ / 10 * 9) break;
        if (std::filesystem::remove(entry.path, error)) total -= entry.bytes;
    }
}

// For who holds the mutex.
CachedStorage::Block CachedStorage::recent(const std::string& key) {
    for (Recent& one : recent_) {
        if (one.block == nullptr || one.key != key) continue;
        one.used = ++uses_;
        return one.block;
    }
    return nullptr;
}

void CachedStorage::remember(const std::string& key, const Block& block) {
    const std::lock_guard lock(mutex_);
    auto oldest = std::min_element(recent_.begin(), recent_.end(),
                                   [](const Recent& a, const Recent& b) { return a.used < b.used; });
    *oldest = {key, block, ++uses_};
}

Result<CachedStorage::Block> CachedStorage::read_block(const std::string& key, const std::string& name, std::uint64_t number) {
    if (auto kept = load(key)) return std::make_shared<const Bytes>(std::move(*kept));
    Bytes data(block_bytes);
    HF_TRY(const std::size_t count, storage_.read_some(name, number * block_bytes, data));
    data.resize(count);
    keep(key, data);
    return std::make_shared<const Bytes>(std::move(data));
}

Result<CachedStorage::Block> CachedStorage::block(const std::string& name, std::uint64_t number) {
    const std::string key = key_of(name, number);
    {
        // Another thread may be fetching it. Where that fails, who waited tries, too.
        std::unique_lock lock(mutex_);
        for (;; fetched_.wait(lock)) {
            if (Block known = recent(key)) return known;
            if (fetching_.insert(key).second) break;
        }
    }
    auto block = read_block(key, name, number);
    if (block.ok()) remember(key, *block);
    release(name, {&number, 1});
    return block;
}

// Of the first `count` blocks those that no other thread is fetching and that are not in memory: this one fetches them.
std::vector<std::uint64_t> CachedStorage::claim(const std::string& name, std::uint64_t count) {
    std::vector<std::uint64_t> claimed;
    const std::lock_guard lock(mutex_);
    for (std::uint64_t number = 0; number < count; ++number) {
        const std::string key = key_of(name, number);
        if (recent(key) == nullptr && fetching_.insert(key).second) claimed.push_back(number);
    }
    return claimed;
}

void CachedStorage::release(const std::string& name, std::span<const std::uint64_t> claimed) {
    {
        const std::lock_guard lock(mutex_);
        for (const std::uint64_t number : claimed) fetching_.erase(key_of(name, number));
    }
    fetched_.notify_all();
}

Status CachedStorage::read_blocks(const std::string& name, std::uint64_t first, std::uint64_t end) {
    Bytes data(static_cast<std::size_t>((end - first) * block_bytes));
    HF_TRY(const std::size_t count, storage_.read_some(name, first * block_bytes, data));
    for (std::uint64_t number = first; number < end; ++number) {
        const auto begin = static_cast<std::size_t>((number - first) * block_bytes);
        if (begin >= count) break;
        const ByteSpan part = ByteSpan(data).subspan(begin, std::min<std::size_t>(block_bytes, count - begin));
        const std::string key = key_of(name, number);
        keep(key, part);
        remember(key, std::make_shared<const Bytes>(part.begin(), part.end()));
    }
    return {};
}

Status CachedStorage::fetch(const std::string& name, std::uint64_t bytes) {
    if (!is_of_blocks(name)) return {};
    const auto claimed = claim(name, (bytes + block_bytes - 1) / block_bytes);
    std::vector<std::uint64_t> missing;
    for (const std::uint64_t number : claimed) {
        const std::string key = key_of(name, number);
        if (auto kept = load(key)) remember(key, std::make_shared<const Bytes>(std::move(*kept)));
        else missing.push_back(number);
    }
    const Status read = missing.empty() ? ok_status() : read_blocks(name, missing.front(), missing.back() + 1);
    release(name, claimed);
    return read;
}

Result<std::size_t> CachedStorage::read_some(const std::string& name, std::uint64_t offset, MutableByteSpan out) {
    if (!is_of_blocks(name)) return storage_.read_some(name, offset, out);
    std::size_t done = 0;
    while (done < out.size()) {
        HF_TRY(const Block data, block(name, offset / block_bytes));
        const auto begin = static_cast<std::size_t>(offset % block_bytes);
        if (begin >= data->size()) break;
        const std::size_t part = std::min(out.size() - done, data->size() - begin);
        std::copy_n(data->begin() + static_cast<std::ptrdiff_t>(begin), part,
                    out.begin() + static_cast<std::ptrdiff_t>(done));
        done += part;
        offset += part;
    }
    return done;
}

Result<Bytes> CachedStorage::get(const std::string& name, std::uint64_t limit_bytes) {
    if (!is_kept_whole(name)) return storage_.get(name, limit_bytes);
    if (auto kept = load(name); kept && kept->size() <= limit_bytes) return std::move(*kept);
    auto data = storage_.get(name, limit_bytes);
    if (data.ok() && data->size() <= block_bytes) keep(name, *data);
    return data;
}

}  // namespace holdfast
