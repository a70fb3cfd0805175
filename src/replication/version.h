// Versions of objects on both sides of a replica.
#pragma once

#include <cstdint>
#include <string>

#include "base/clock.h"

namespace holdfast {

// A version of an object, or a mark that it was deleted, as the source lists it.
struct SourceVersion {
    std::string key;  // below the prefix of the source
    std::string id;   // as the service has it
    std::string etag;
    std::uint64_t bytes = 0;
    TimeNs modified = 0;
    bool is_marker = false;

    // What it is known by for ever. `null`, the id of what was put while no versions were kept, may be another one later:
    // its time tells which.
    std::string identity() const { return id == "null" ? id + '@' + std::to_string(modified) : id; }
};

// One of the target. Everything there was put by the replica, or is somebody else's.
struct TargetVersion {
    std::string id;
    bool is_marker = false;
    std::string mark;  // of an object: the identity of the source's version; empty: it has none, or nobody has looked
};

}  // namespace holdfast
