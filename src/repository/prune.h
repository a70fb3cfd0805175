// Takes back the space of what no restore point needs. docs/format.md#pruning.
#pragma once

#include <stop_token>

#include "base/progress.h"
#include "repository/chunk_marker.h"
#include "repository/leases.h"
#include "repository/repository.h"

namespace holdfast {

struct PruneOptions {
    // Restore points that go, besides those that are deleted already. A held one never goes.
    std::set<RestorePointId> removing;
    // Restore points that stay although they are deleted.
    std::set<RestorePointId> staying;
    // Containers are written anew, without what is dead in them, until no more than this part of all
    // that is left is dead.
    unsigned max_dead_percent = 5;
    // For what is needed of chunks that are needed in part; with less, the space of fewer of their members
    // is taken back at once.
    std::size_t max_part_bytes = ChunkMarker::max_part_bytes;
};

// What a prune would do: found out without writing anything.
struct PrunePlan {
    std::vector<PointInfo> removed_points;
    // That would go, and are locked.
    std::vector<PointInfo> locked_points;
    std::uint64_t locked_objects = 0, locked_bytes = 0;  // that nobody needs, and that are locked
    std::uint64_t archived_bytes = 0;  // that nobody needs, in packs of an archive class, which are not written anew
    std::uint64_t live_bytes = 0, dead_bytes = 0;   // stored bytes of chunks
    std::uint64_t removed_objects = 0, rewritten_objects = 0;
    std::uint64_t copied_bytes = 0;      // live in containers that are written anew
    std::uint64_t reclaimed_bytes = 0;   // what the storage would lose, copies deducted
};

struct PruneReport {
    PrunePlan plan;
    std::uint64_t deleted_objects = 0, deleted_bytes = 0, written_bytes = 0;
    // What is condemned and stays until these sessions have ended: the next prune deletes it.
    std::uint64_t waiting_bytes = 0;
    std::vector<std::string> waiting_for;  // hosts
};

// Finds what is dead: what no restore point refers to that stays, chunk by chunk. Errors: corrupt when a
// restore point that stays is damaged, or the index is (nobody knows what it refers to: `check` says
// more), permission_denied for a write-only key, cancelled, of the storage. A listing that fails ends it.
Result<PrunePlan> plan_prune(Repository& repository,
                             const PruneOptions& options,
                             const WriterIdentity& identity,
                             Progress& progress,
                             std::stop_token stop);

// Plans, and does it. Other sessions go on meanwhile; whatever moment it is killed at, nothing that is
// needed is lost and the next prune goes on. Errors: as plan_prune.
Result<PruneReport> run_prune(Repository& repository,
                              const PruneOptions& options,
                              const WriterIdentity& identity,
                              Progress& progress,
                              std::stop_token stop);

}  // namespace holdfast
