// One index fragment out of several, or of one without some of what it names.
#pragma once

#include <functional>
#include <map>

#include "repository/flat_fragment.h"

namespace holdfast {

// Each container and each place of a chunk once; chunks of containers that are not kept are left out.
// Not thread-safe. Memory: 130 bytes a chunk.
class FragmentMerger {
  public:
    // Asked for the ids of containers, and of points, whose second copy of the record goes with them.
    using Keeps = std::function<bool(const ObjectId&)>;
    explicit FragmentMerger(
        Keeps keeps = [](const ObjectId&) { return true; },
        Keeps keeps_point = [](const ObjectId&) { return true; })
        : keeps_(std::move(keeps)), keeps_point_(std::move(keeps_point)) {}

    void add(const FlatFragment& from);
    // Tier and what it supersedes are the caller's matter.
    IndexFragmentRecord take();

  private:
    std::uint32_t number_of(const Container& container);

    const Keeps keeps_, keeps_point_;
    std::map<ObjectId, std::uint32_t> numbers_;
    IndexFragmentRecord merged_;  // its chunks out of order
};

}  // namespace holdfast
