// Data packs that have to be thawed before they can be read. docs/explanation/cold-tiers.md.
#pragma once

#include <map>
#include <mutex>
#include <stop_token>

#include "base/progress.h"
#include "format/entry.h"
#include "repository/chunk_reader.h"

namespace holdfast {

// The data packs that contents are in: names and bytes. All else of a repository is never in an archive class.
// 150 bytes a pack: 24 MB for 10 TB.
using PackSizes = std::map<std::string, std::uint64_t>;
// Adds those of a file. What cannot be found is left out: who reads it says so. Errors: unsupported, of the storage.
Status add_packs_of(const Entry& file, ChunkReader& chunks, const Index& index, PackSizes& packs);

// What is known of packs.
struct ThawPlan {
    struct Pack {
        std::string name;
        std::uint64_t bytes = 0;
        Readability is;
    };
    struct Sum {
        std::uint64_t packs = 0, bytes = 0;
    };
    std::vector<Pack> packs;  // sorted by name
    Sum all, readable, frozen, thawing;
    std::optional<TimeNs> readable_until;  // when the first of those that can be read is frozen again

    Sum unreadable() const { return {frozen.packs + thawing.packs, frozen.bytes + thawing.bytes}; }
};

struct ThawOptions {
    ThawRequest request;
    // Between two looks: from the first to the longest, which it doubles to.
    TimeNs first_pause = 60 * ns_per_second, longest_pause = 600 * ns_per_second;
};

// Looks at packs, asks for those that are frozen, and waits. What was asked for is kept by the storage alone: who is
// killed and comes again finds it there. Thread-safe. Memory: PackSizes, and 100 bytes for each pack.
class Thaw {
  public:
    // `tier` is null where everything can be read. It and the others outlive this.
    Thaw(ColdTier* tier, PackSizes packs, const ThawOptions& options, const Clock& clock, Random& random,
         Progress& progress, std::stop_token stop);

    // Asks the storage for the state of each pack that is not known to be readable. Errors: of the storage.
    Status look();
    // Asks for those that were frozen at the last look; returns how many.
    Result<std::uint64_t> ask();
    ThawPlan plan() const;
    // Until all can be read; asks for those that are frozen. Errors: cancelled, of the storage.
    Status wait();
    // The same for one that could be read, and is frozen again: the others, which expire at the same time, are asked
    // for with it, and not waited for.
    Status wait_for(const std::string& name);

  private:
    struct Pack {
        std::uint64_t bytes = 0;
        Readability is{Readability::State::frozen};
        bool is_known = false;
    };
    Status look_again();
    Result<std::uint64_t> ask_again();
    bool can_be_read(const Pack& pack) const;
    template <typename IsDone>
    Status wait_until(const IsDone& is_done);

    ColdTier* const tier_;
    const ThawOptions options_;
    const Clock& clock_;
    Random& random_;
    Progress& progress_;
    const std::stop_token stop_;
    mutable std::mutex mutex_;  // guards what follows; held while waiting, as all wait for the same
    std::map<std::string, Pack> packs_;
};

}  // namespace holdfast
