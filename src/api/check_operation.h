// The operation `check`.
#pragma once

#include <stop_token>

#include "api/repository_access.h"
#include "base/clock.h"
#include "base/progress.h"

namespace holdfast {

struct CheckRequest {
    AccessRequest access;
    // How much data is read, what was read the longest time ago first. Empty: none. "all", "10%", "20G" (K, M,
    // G, T: powers of 1,024), "90m" (s, m, h).
    std::string read_data;
    // Whether what restore points need is locked, too.
    bool locks = false;
};
struct CheckResponse {
    std::uint64_t objects = 0, chunks = 0, points = 0, bytes_read = 0, problem_count = 0;
    std::vector<std::string> problems;
    // What a newer program has written: not checked.
    std::uint64_t newer_count = 0;
    std::vector<std::string> newer;
    std::vector<std::string> damaged_points;
    // With read_data: of all data, how much no check of this machine has ever read; the rest was read since
    // oldest_read.
    std::uint64_t data_bytes = 0, never_read_bytes = 0;
    std::optional<TimeNs> oldest_read;
    // Packs that are there, and frozen in an archive class: not read, and no damage.
    std::uint64_t frozen_packs = 0, frozen_bytes = 0;
    // With locks: objects that are to be locked; those that are not, which are problems; when the first of the others
    // may go.
    std::uint64_t locked_objects = 0, unprotected_count = 0, expired_objects = 0;
    std::vector<std::string> unprotected;
    std::optional<TimeNs> locked_until;
    double seconds = 0;
    std::string not_kept;  // why the repository does not know of this check; empty: it does
};
// What it has found is kept in the repository, for `status`.
// Errors: unsupported for locks that the storage has not; invalid_argument for such a read_data; of storage; cancelled. Damage is in the response.
Result<CheckResponse> check(const CheckRequest& request, Progress& progress, std::stop_token stop);

}  // namespace holdfast
