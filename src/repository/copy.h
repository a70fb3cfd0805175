// Restore points from one repository into another. docs/adr/0016-a-copy-is-built-anew.md.
#pragma once

#include <stop_token>

#include "base/progress.h"
#include "repository/leases.h"
#include "repository/repository.h"

namespace holdfast {

// The restore point that was copied first: of a copy the one that it says, else the point itself.
RestorePointId origin_of(const PointInfo& point);

// The points of both repositories, listed once and kept up to date while points are copied.
class CopyTarget {
  public:
    // Errors: of points().
    static Result<CopyTarget> open(Repository& repository);

    Repository& repository() const { return *repository_; }
    // The copy of it that is here, is whole and stays; null when there is none.
    const PointInfo* find(const PointInfo& point) const;
    void add(PointInfo point) { points_.push_back(std::move(point)); }

  private:
    explicit CopyTarget(Repository& repository) : repository_(&repository) {}
    Repository* repository_;
    std::vector<PointInfo> points_;
};

struct CopyReport {
    RestorePointId point{};          // the copy
    RestorePointRecord record;       // what it says
    std::uint64_t chunks = 0;        // read, proven by their ids, and stored
    std::uint64_t read_bytes = 0;    // of them, raw
    std::uint64_t stored_bytes = 0;  // what the target grew by
};

// Copies `point` of `source`: the same content, time, identity and tags. `source_points` are all points of the source: of
// those that are in both, the newest of the same source serves as its parent, so that only what differs is looked at.
// Every chunk is proven by its id before it is stored. What the target has is not stored again: with a target that was
// made with `init --like` (either way round) that is all that was ever stored in both; else what earlier copies brought.
// Errors: corrupt when anything of the point is damaged or missing (then there is no copy), permission_denied when one
// of the keys is write-only, cancelled, of the storages.
// Memory: a window of 8,192 chunks' ids (1 MiB), what is in flight (near_chunks.h), 4 MiB of ids, and the session's.
Result<CopyReport> copy_point(Repository& source,
                              const std::vector<PointInfo>& source_points,
                              const PointInfo& point,
                              CopyTarget& target,
                              const WriterIdentity& identity,
                              const std::string& program,
                              Progress& progress,
                              std::stop_token stop);

}  // namespace holdfast
