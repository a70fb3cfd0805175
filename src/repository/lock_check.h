// Whether what restore points need is locked as long as was promised. docs/explanation/locks.md.
#pragma once

#include <stop_token>

#include "base/progress.h"
#include "repository/repository.h"

namespace holdfast {

struct LockReport {
    std::uint64_t objects = 0;  // that are to be locked: points of less than a period ago need them
    std::uint64_t unprotected_count = 0;
    std::vector<std::string> unprotected;  // the first 1,000 of these: not locked, or for less than the period after the point
    std::optional<TimeNs> earliest;        // when the first of the others may go
    std::uint64_t expired_objects = 0;     // of older points and of none: not locked any more, as is right
};
// Reads the trees of the points, and asks the storage for each lock. What only points of write-only clients need must be locked; for
// how long depends on the last prune. Memory: that of a ChunkMarker, and 200 bytes for each object. Errors: unsupported
// when the storage has no locks; cancelled.
Result<LockReport> check_locks(Repository& repository, Progress& progress, std::stop_token stop);

}  // namespace holdfast
