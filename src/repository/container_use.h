// What a prune knows of one container.
#pragma once

#include <string>
#include <vector>

#include "repository/index.h"

namespace holdfast {

// An object that holds chunks, and how much of it is needed.
struct ContainerUse {
    std::string name;
    std::uint64_t object_bytes = 0;
    std::uint64_t live_bytes = 0, dead_bytes = 0;  // stored bytes of its chunks
    // Stored bytes in needed chunks that thinning takes out: an estimate by the bytes that nobody needs
    // until the chunks' members are looked at, for these may be needed in part.
    std::uint64_t thin_bytes = 0;
    bool is_estimate = true;
    std::uint64_t live_chunks = 0;
    std::vector<IndexPosition> partly_live;  // as many as the marker keeps parts of

    std::uint64_t garbage() const { return dead_bytes + thin_bytes; }
    double garbage_share() const {
        return static_cast<double>(garbage()) / static_cast<double>(dead_bytes + live_bytes);
    }
    bool is_there = false;         // in the storage
    bool belongs_to_writer = false;  // of a session that goes on: not ours to judge
    bool is_removed_point = false;
    bool is_archived = false;  // in an archive class: to be removed, but neither read nor written anew
    bool is_data() const { return name.starts_with("data/"); }
    bool is_indexed() const { return live_bytes + dead_bytes != 0; }
};

}  // namespace holdfast
