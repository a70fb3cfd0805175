// Where members are: member hash -> (chunk, offset). A lossy local cache: it makes renamed and copied
// small files and changes in large ones cheap, and is never needed to restore anything.
#pragma once

#include <mutex>
#include <optional>

#include "base/result.h"
#include "crypto/digest.h"
#include "format/ids.h"

namespace holdfast {

struct MemberPlace {
    ChunkId chunk;
    std::uint32_t offset = 0;
    std::uint32_t bytes = 0;
    bool operator==(const MemberPlace&) const = default;
};

// A hash table in a mapped file, shared by all processes of this user: buckets of 16 entries of 64
// bytes; a full bucket forgets an entry. Each entry carries a check, so that a torn or raced entry
// is a miss, never a wrong place. Doubles when three eighths full, up to 2^21 entries (128 MiB).
// Thread-safe. Who gets a place must still ask the index whether the chunk exists.
class MemberCache {
  public:
    // An empty `path`: a cache that remembers nothing.
    static std::unique_ptr<MemberCache> open(const std::string& path);
    ~MemberCache();
    MemberCache(const MemberCache&) = delete;
    MemberCache& operator=(const MemberCache&) = delete;

    std::optional<MemberPlace> find(const Digest& member);
    void insert(const Digest& member, const MemberPlace& place);

  private:
    explicit MemberCache(std::string path) : path_(std::move(path)) {}
    bool map(std::optional<std::size_t> wanted);
    void unmap();
    void grow();
    void store(std::span<const std::uint8_t, 64> entry);

    const std::string path_;
    std::mutex mutex_;
    std::uint8_t* table_ = nullptr;
    std::size_t buckets_ = 0;
    std::size_t inserted_ = 0;  // since the last growth: an upper bound of what is new
};

}  // namespace holdfast
