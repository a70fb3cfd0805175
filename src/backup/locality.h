// Small files that are stored again although they did not change: what is left of groups that have mostly died. A
// restore then reads fewer chunks, and less that it does not need. docs/adr/0013-small-files-move-together.md.
#pragma once

#include <unordered_map>

#include "format/entry.h"
#include "repository/index.h"

namespace holdfast {

// Watches the walk of one source. How much of a chunk the tree still refers to is known when all of it has been
// seen, so what one walk has found is emptied by the next one; a file of the local cache remembers it, and is safe
// to lose. The budget is a tenth of the bytes of small files that were new; what is left of it is kept, up to one
// backup's worth. For one thread. Memory: 80 bytes for each of at most `max_watched` chunks (2.5 MiB); of more, a
// random half is watched, then half of that.
class Locality {
  public:
    static constexpr std::size_t max_watched = 32'768, max_emptied = 4'096;
    static constexpr std::uint64_t budget_percent = 10;
    // A chunk of which more is alive is not emptied.
    static constexpr std::uint64_t max_live_percent = 25;

    // An empty `path`: nothing is remembered, and nothing stored again. `salt`: another one each time.
    static Locality load(const std::string& path, std::uint64_t salt);

    // Whether an unchanged small file, `entry` in the previous version, is to be stored again. To be asked of all.
    bool takes(const Entry& entry);
    // A small file was read, and is in the chunk that `entry` says.
    void stays(const Entry& entry);
    // A small file changed. No more is stored again than has changed so far, but for one file: where nothing
    // changes, nothing is stored.
    void changed(std::uint64_t bytes) { changed_bytes_ += bytes; }
    // Chooses what the next walk empties, the deadest first, and writes it down; that this fails is nobody's harm.
    // `new_bytes`: of small files, stored because they changed.
    void save(const Index& index, std::uint64_t new_bytes);

  private:
    struct Watched {
        std::uint64_t live_bytes = 0;
        ChunkRange part;         // one that is alive
        bool has_links = false;  // of some names only one would be moved: it cannot be emptied
        bool is_emptied = false;  // the walk before has chosen it
    };
    Locality(std::string path, std::uint64_t salt) : path_(std::move(path)), salt_(salt) {}
    const Run* look_at(const Entry& entry);
    void note(const Entry& entry, const Run& run);
    bool is_watched(const ChunkId& chunk) const;
    void watch_half();
    std::vector<ChunkId> deadest(const Index& index) const;
    void write(const std::vector<ChunkId>& emptied) const;

    std::string path_;
    std::uint64_t salt_;
    unsigned halvings_ = 0;
    std::unordered_map<ChunkId, Watched, IdHash<ChunkId>> chunks_;
    // The chunk that was looked at last, as a group's files follow each other; null: it is not watched.
    ChunkId last_chunk_{};
    Watched* last_ = nullptr;

    std::uint64_t budget_bytes_ = 0;
    std::uint64_t changed_bytes_ = 0, taken_bytes_ = 0;
};

}  // namespace holdfast
