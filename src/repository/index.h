// The index: which chunks exist and where. docs/format.md#index-fragments.
#pragma once

#include <map>
#include <mutex>
#include <set>
#include <shared_mutex>
#include <unordered_map>

#include "base/unique_fd.h"
#include "format/index_fragment.h"
#include "repository/object_io.h"

namespace holdfast {

// All that is needed to read one chunk.
struct LocatedChunk {
    Container container;
    ChunkLocation location;
};

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
    ~FlatFragment();

    std::size_t chunk_count() const { return count_; }
    const std::vector<Container>& containers() const { return record_.containers; }
    // tier, supersedes, points and containers; its chunks are empty.
    const IndexFragmentRecord& record() const { return record_; }
    std::optional<std::size_t> find(const ChunkId& id) const;
    ChunkLocation location(std::size_t position) const;
    ChunkId id(std::size_t position) const;

  private:
    FlatFragment() = default;
    static Result<std::shared_ptr<FlatFragment>> open(std::shared_ptr<FlatFragment> fragment);

    Bytes memory_;
    void* mapping_ = nullptr;
    std::size_t mapping_bytes_ = 0;
    ByteSpan data_;
    IndexFragmentRecord record_;
    std::size_t count_ = 0;
    const std::uint8_t* ids_ = nullptr;
    const std::uint8_t* locations_ = nullptr;
    ByteSpan frames_;
};

// The fragments of an open repository. Thread-safe.
class Index {
  public:
    void add(std::shared_ptr<const FlatFragment> fragment);
    // A container that is lost: its chunks count as missing from now on.
    void exclude(const ObjectId& container);
    bool contains(const ChunkId& id) const;
    // Errors: not_found.
    Result<LocatedChunk> locate(const ChunkId& id) const;
    std::vector<std::shared_ptr<const FlatFragment>> fragments() const;
    // The ids of all containers that a fragment names.
    std::set<ObjectId> containers() const;

  private:
    mutable std::shared_mutex mutex_;
    std::vector<std::shared_ptr<const FlatFragment>> fragments_;
    std::set<ObjectId> excluded_;
};

}  // namespace holdfast
