// An index fragment that is searched in place.
#pragma once

#include <memory>

#include "base/mapped_file.h"
#include "format/index_fragment.h"
#include "repository/uniform_search.h"

namespace holdfast {

// One fragment as a flat table of sorted ids and fixed-size locations, searched in place: mapped
// from a file of the local cache, or in memory when it is small or there is no cache.
// Immutable; thread-safe.
class FlatFragment {
  public:
    // Lays a fragment out. Cost: about 70 bytes a chunk.
    static Bytes layout(const IndexFragmentRecord& record);
    // Errors: corrupt when `data` was not made by layout (a torn cache file).
    static Result<std::shared_ptr<FlatFragment>> from_memory(Bytes data);
    static Result<std::shared_ptr<FlatFragment>> from_file(const std::string& path);

    std::size_t chunk_count() const { return count_; }
    const std::vector<Container>& containers() const { return record_.containers; }
    // tier, supersedes, points and containers; its chunks are empty.
    const IndexFragmentRecord& record() const { return record_; }
    // The first place of a chunk; others follow it.
    std::optional<std::size_t> find(const ChunkId& id) const;
    bool has(std::size_t position, const ChunkId& id) const;
    // The number of its container; of a damaged fragment there may be no such.
    std::uint32_t container_of(std::size_t position) const;
    std::uint32_t raw_bytes(std::size_t position) const;
    // Whether prune has taken something out of it.
    bool is_thinned(std::size_t position) const;
    ChunkLocation location(std::size_t position) const;
    ChunkId id(std::size_t position) const;
    // Of its id, as a number.
    std::uint64_t first_bytes(std::size_t position) const {
        return first_bytes_of(ids_ + 32 * position);
    }

  private:
    FlatFragment() = default;
    static Result<std::shared_ptr<FlatFragment>> open(std::shared_ptr<FlatFragment> fragment);

    Bytes memory_;
    MappedFile file_;
    ByteSpan data_;
    IndexFragmentRecord record_;
    std::size_t count_ = 0;
    const std::uint8_t* ids_ = nullptr;
    const std::uint8_t* locations_ = nullptr;
    ByteSpan frames_;
};

}  // namespace holdfast
