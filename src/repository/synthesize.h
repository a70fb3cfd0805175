// A full restore point out of what is stored, without its source. docs/format.md#restore-points.
#pragma once

#include <stop_token>

#include "base/progress.h"
#include "repository/leases.h"
#include "repository/repository.h"

namespace holdfast {

struct SynthesizeReport {
    RestorePointId point{};
    std::uint64_t chunks = 0;
    std::uint64_t read_bytes = 0;    // raw bytes of chunks, all of them compared with their ids
    std::uint64_t stored_bytes = 0;  // what the repository grew by
};

// A new restore point with the content, time and identity of `point`, and type synthetic-full: every chunk that it
// refers to was read, proven by its id, and stored again in the order of a restore. What was in many packs then is
// in few, and prune takes the old copies when nobody else needs them. Nothing is read of the source. Errors:
// corrupt when anything of the point is damaged or missing (there is no new point then), permission_denied for a
// write-only key, cancelled, of the storage. Memory: the marker's and the session's.
Result<SynthesizeReport> synthesize(Repository& repository,
                                    const PointInfo& point,
                                    const WriterIdentity& identity,
                                    const std::string& program,
                                    Progress& progress,
                                    std::stop_token stop);

}  // namespace holdfast
