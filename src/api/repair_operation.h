// The operation `repair`.
#pragma once

#include <stop_token>

#include "api/repository_access.h"
#include "base/progress.h"

namespace holdfast {

struct RepairRequest {
    AccessRequest access;
    bool dry_run = false;
    // Another repository that shares this one's keys of content, and how to open it.
    std::optional<std::string> from;
    AccessRequest from_access;
};
struct RepairResponse {
    std::uint64_t objects = 0, bytes_read = 0;
    std::vector<std::string> mended, beyond_mending;  // names of objects
    std::uint64_t frozen_objects = 0;  // not read
    std::uint64_t indexed_packs = 0, salvaged_chunks = 0, lost_chunks = 0, fetched_chunks = 0;
    std::uint64_t problem_count = 0;
    std::vector<std::string> problems;           // what is still not whole; the first 1,000
    std::vector<std::string> incomplete_points;  // ids
    double seconds = 0;
};
// Errors: those of run_repair; of opening either repository. Damage that is left is in the response.
Result<RepairResponse> repair(const RepairRequest& request, Progress& progress, std::stop_token stop);

}  // namespace holdfast
