// Which chunks restore points refer to, and which parts of them.
#pragma once

#include "format/entry.h"
#include "repository/chunk_reader.h"

namespace holdfast {

// Walks manifests and remembers what it met, by place in the index. A node is a chunk, so what one point
// shares with another is walked once, and marking one point more costs what it does not share. For one
// thread. Memory: two bits for each chunk that the index has (10^7 chunks: 2.4 MiB), 1 MiB, and max_part_bytes
// for the parts of chunks that are needed in part. Where that does not suffice, a random half of these chunks
// counts as needed as they are, then half of the rest: never too little is marked, and another marker with
// another `salt` takes another half.
class ChunkMarker {
  public:
    static constexpr std::size_t max_part_bytes = 24u << 20;

    // `index` and `chunks` outlive it. Fragments may be added to the index meanwhile.
    ChunkMarker(const Index& index,
                ChunkReader& chunks,
                const Keyring& keyring,
                std::uint64_t salt = 0,
                std::size_t part_bytes = max_part_bytes)
        : index_(index), chunks_(chunks), keyring_(keyring), salt_(salt), part_bytes_(part_bytes) {}

    // What is missing or damaged ends it, or is passed over with all that only it refers to.
    enum class Damage : std::uint8_t { is_error, is_passed_over };
    // Marks all that the tree below `root` refers to, and the fingerprints of it. Errors: corrupt (what
    // was marked stays so), unsupported, of the storage.
    Status mark(const Entry& root, Damage damage = Damage::is_error);
    // Marks one part of a chunk, and nothing that the chunk refers to. True when its place was not marked before.
    // Errors: corrupt when it is missing.
    Result<bool> mark_chunk(const ChunkId& id, const ChunkRange& part);
    bool is_marked(IndexPosition position) const;
    // What of a marked chunk is needed: ascending, not adjacent. Empty: all that this place has.
    std::span<const ChunkRange> parts(IndexPosition position) const;

    // Told of each place when it is met first, and of the part of the chunk that is looked for. May be
    // empty.
    std::function<Status(const ChunkId&, const ChunkRange&)> on_mark;

  private:
    bool mark_place(IndexPosition position, const ChunkRange& part);
    std::optional<IndexPosition> find(const ChunkId& id, const ChunkRange& part);
    void add_part(IndexPosition position, const ChunkRange& part);
    void drop_parts();
    bool keeps_parts_of(std::uint64_t key) const;
    Status mark_entry(const Entry& entry);
    Status mark_runs(std::span<const Run> runs);
    Status mark_waiting();
    Status mark_data(const ChunkId& id, const ChunkRange& part);
    Status mark_node(const ChunkId& id);

    const Index& index_;
    ChunkReader& chunks_;
    const Keyring& keyring_;
    const std::uint64_t salt_;
    const std::size_t part_bytes_;
    Damage damage_ = Damage::is_error;
    struct Fragment {
        std::vector<bool> met, whole;
    };
    std::vector<Fragment> fragments_;
    std::unordered_map<std::uint64_t, std::vector<ChunkRange>> parts_;  // by key_of(position)
    std::size_t used_part_bytes_ = 0;
    unsigned dropped_halves_ = 0;
    // Where chunks were found that are not thinned, by their ids' last bytes: the leaves of many points
    // refer to the same ones. As long as the index's generation is the same. 1 MiB.
    std::vector<IndexPosition> found_;
    std::uint64_t found_generation_ = 0;
    std::vector<std::shared_ptr<const FlatFragment>> known_;  // fragments that found_ refers to
    // Runs that follow each other in one chunk, as those of a group's files do: looked up together.
    std::vector<Run> waiting_;
    std::vector<ChunkId> nodes_;  // still to be read: the fan-out of each level on the way
};

}  // namespace holdfast
