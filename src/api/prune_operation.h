// `prune`: retention, and the space of what is not needed.
#pragma once

#include <stop_token>

#include "api/browse_operations.h"
#include "base/progress.h"
#include "policy/retention.h"

namespace holdfast {

// Rules, and for which restore points they are.
struct PruneRule {
    PointFilter filter;
    RetentionRules rules;
};

struct PruneRequest {
    AccessRequest access;
    PointFilter filter;     // to which restore points the rules apply; the others stay
    RetentionRules rules;   // without any, only deleted points go
    // More of both; the first that fits a source counts.
    std::vector<PruneRule> more;
    bool dry_run = false;
    bool allow_last = false;  // the last restore point of a source may go, too
};

struct PruneDecision {
    PointSummary point;
    bool stays = true;
    std::vector<std::string> reasons;  // why it stays, or why it goes
};

struct PruneResponse {
    std::vector<PruneDecision> points;  // by source, newest first; those that the filter passes
    std::uint64_t points_removed = 0;
    std::uint64_t live_bytes = 0, dead_bytes = 0;
    std::uint64_t objects_removed = 0, objects_rewritten = 0, bytes_copied = 0;
    std::uint64_t bytes_reclaimed = 0;  // a dry run's: what it would be
    // Points that would go, and objects that nobody needs, which the storage's locks keep.
    std::uint64_t points_locked = 0, bytes_locked = 0;
    // That nobody needs, in packs of an archive class: they go when nobody needs any of them.
    std::uint64_t bytes_archived = 0;
    std::uint64_t bytes_waiting = 0;    // until these sessions have ended
    std::vector<std::string> waiting_for;
    double seconds = 0;
};
// Errors: invalid_argument; those of plan_prune.
Result<PruneResponse> prune(const PruneRequest& request, Progress& progress, std::stop_token stop);

}  // namespace holdfast
