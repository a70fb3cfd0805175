// Which chunks restore points refer to.
#pragma once

#include "format/entry.h"
#include "repository/chunk_reader.h"

namespace holdfast {

// Walks manifests and remembers what it met, by place in the index: a bit for each chunk that the index
// has (10^7 chunks: 1.2 MiB). A node is a chunk, so what one point shares with another is walked once,
// and marking one point more costs what it does not share. For one thread.
class ChunkMarker {
  public:
    // `index` and `chunks` outlive it. Fragments may be added to the index meanwhile.
    ChunkMarker(const Index& index, ChunkReader& chunks, const Keyring& keyring)
        : index_(index), chunks_(chunks), keyring_(keyring) {}

    // What is missing or damaged ends it, or is passed over with all that only it refers to.
    enum class Damage : std::uint8_t { is_error, is_passed_over };
    // Marks all that the tree below `root` refers to, and the fingerprints of it. Errors: corrupt (what
    // was marked stays so), unsupported, of the storage.
    Status mark(const Entry& root, Damage damage = Damage::is_error);
    bool is_marked(IndexPosition position) const;

    // Told of each chunk when it is met first; for who looks for certain places. May be empty.
    std::function<Status(const ChunkId&)> on_mark;

  private:
    Result<bool> mark_chunk(const ChunkId& id);
    Status mark_entry(const Entry& entry);
    Status mark_runs(std::span<const Run> runs);
    Status mark_node(const ChunkId& id);

    const Index& index_;
    ChunkReader& chunks_;
    const Keyring& keyring_;
    Damage damage_ = Damage::is_error;
    std::vector<std::vector<bool>> bits_;  // by fragment
    std::vector<ChunkId> nodes_;           // still to be read: the fan-out of each level on the way
};

}  // namespace holdfast
