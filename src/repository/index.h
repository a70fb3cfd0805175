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

// A chunk's place in the index: the number of the fragment, in fragments(), and of the chunk in it.
struct IndexPosition {
    std::size_t fragment = 0, chunk = 0;
};

inline constexpr ChunkRange whole_chunk{0, UINT32_MAX};

// The fragments of an open repository. Thread-safe. Who asks for a part of a chunk is answered with a place
// that has that part; a chunk may be thinned where it stands.
class Index {
  public:
    // Of what no stored fragment says, only the tables of packs: it counts where there is nothing else.
    enum class Origin : std::uint8_t { fragment, pack_tables };
    void add(std::shared_ptr<const FlatFragment> fragment, Origin origin = Origin::fragment);
    // A container that is lost: its chunks count as missing from now on.
    void exclude(const ObjectId& container);
    // A container that a pruner may delete: its chunks can be read as long as it is there, but nobody
    // may rely on them.
    void condemn(const ObjectId& container);
    bool is_condemned(const ObjectId& container) const;
    // Forgets all fragments, and what is lost or condemned.
    void clear();
    // Whether a chunk can be relied upon.
    bool contains(const ChunkId& id, const ChunkRange& part = whole_chunk) const;
    // Where a chunk is; of several copies one that is not condemned, then one that a fragment names, then
    // one that is not thinned, then the one that was added last.
    // Errors: not_found.
    Result<LocatedChunk> locate(const ChunkId& id, const ChunkRange& part = whole_chunk) const;
    // The place that locate() takes.
    std::optional<IndexPosition> position_of(const ChunkId& id,
                                             const ChunkRange& part = whole_chunk) const;
    // Raw bytes of the chunk there.
    std::uint32_t raw_bytes(IndexPosition position) const;
    std::vector<std::shared_ptr<const FlatFragment>> fragments() const;
    // The ids of all containers that a fragment names.
    std::set<ObjectId> containers() const;

  private:
    // For who holds the mutex.
    std::optional<IndexPosition> find(const ChunkId& id, const ChunkRange& part) const;
    int rank_of(std::size_t number, std::size_t chunk, const ChunkRange& part) const;

    mutable std::shared_mutex mutex_;
    std::vector<std::shared_ptr<const FlatFragment>> fragments_;
    std::vector<Origin> origins_;  // of each fragment
    std::set<ObjectId> excluded_, condemned_;
};

}  // namespace holdfast
