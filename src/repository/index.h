// The index: which chunks exist and where. docs/format.md#index-fragments.
#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <set>
#include <shared_mutex>
#include <unordered_map>

#include "repository/chunk_directory.h"

namespace holdfast {

// All that is needed to read one chunk.
struct LocatedChunk {
    Container container;
    ChunkLocation location;
    bool is_named = true;  // by a stored fragment or as a point
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
    // Returns its number in fragments().
    std::size_t add(std::shared_ptr<const FlatFragment> fragment, Origin origin = Origin::fragment);
    // Asks `directory` for the fragments that it covers; `numbers` says which of fragments() each of them
    // is, SIZE_MAX: none any more.
    void set_directory(std::shared_ptr<const ChunkDirectory> directory,
                       std::vector<std::size_t> numbers);
    // A container that is lost: its chunks count as missing from now on.
    void exclude(const ObjectId& container);
    // A container that a pruner may delete: its chunks can be read as long as it is there, but nobody
    // may rely on them.
    void condemn(const ObjectId& container);
    // What write-only clients have made counts as much as anything: all of it is this one's own.
    void believe_claims();
    bool is_condemned(const ObjectId& container) const;
    // Another number whenever places may have become better or worse, for who remembers some.
    std::uint64_t generation() const { return generation_.load(std::memory_order_acquire); }
    // Forgets all fragments, and what is lost or condemned.
    void clear();
    // Whether a chunk can be relied upon, so that it need not be stored: in a container that a stored fragment
    // names, and that is neither condemned nor a client's claim. What only the tables of packs tell may be of a
    // session that goes on, and not durable. Where a fragment is lost, this stores again until a repair has named
    // its packs: costs space, loses nothing.
    bool contains(const ChunkId& id, const ChunkRange& part = whole_chunk) const;
    // Where a chunk is; of several copies one that a fragment names, then one that is not condemned, then one that
    // stands in order, then one that is not thinned, then the one that was added last. What a write-only client claims comes after
    // all others. Places in `without` do not count. Errors: not_found.
    using Containers = std::set<ObjectId>;
    Result<LocatedChunk> locate(const ChunkId& id,
                                const ChunkRange& part = whole_chunk,
                                const Containers& without = {}) const;
    // The place that locate() takes.
    std::optional<IndexPosition> position_of(const ChunkId& id,
                                             const ChunkRange& part = whole_chunk) const;
    // Where else write-only clients claim to have it, if the place that locate() takes is such a claim, too: all
    // of them count until one is proven.
    std::vector<IndexPosition> other_claims(const ChunkId& id,
                                            const ChunkRange& part,
                                            IndexPosition best) const;
    // Raw bytes of the chunk there.
    std::uint32_t raw_bytes(IndexPosition position) const;
    std::vector<std::shared_ptr<const FlatFragment>> fragments() const;
    // The ids of all containers that a stored fragment or a point names.
    std::set<ObjectId> containers() const;
    // Whether this one of fragments() is stored, and not only made of the tables of packs.
    bool is_named(std::size_t fragment) const;

  private:
    // For who holds the mutex.
    enum class Trust : std::uint8_t { directory, nothing };
    // The best place, or the first one whose rank is `good_enough`.
    std::optional<IndexPosition> find(const ChunkId& id,
                                      const ChunkRange& part,
                                      Trust trust,
                                      const Containers& without = {},
                                      int good_enough = 0) const;
    const Container* container_of(IndexPosition position) const;
    template <typename Consider>
    void search(const ChunkId& id,
                bool covered,
                const int& best_rank,
                int good_enough,
                const Consider& consider) const;
    int least_rank_of(std::size_t number) const;
    int rank_of(std::size_t number,
                std::size_t chunk,
                const ChunkRange& part,
                const Containers& without) const;

    mutable std::shared_mutex mutex_;
    std::vector<std::shared_ptr<const FlatFragment>> fragments_;
    std::vector<Origin> origins_;  // of each fragment
    std::vector<bool> are_in_order_;  // of each fragment: any container whose chunks stand in order
    bool believes_claims_ = false;
    bool has_order_ = false;          // of any fragment
    std::vector<bool> is_covered_;  // by the directory
    std::shared_ptr<const ChunkDirectory> directory_;
    std::vector<std::size_t> directory_numbers_;
    std::set<ObjectId> excluded_, condemned_;
    std::atomic<std::uint64_t> generation_{0};
};

}  // namespace holdfast
