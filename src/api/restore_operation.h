// Operation `restore`.
#pragma once

#include <stop_token>

#include "api/browse_operations.h"
#include "repository/thaw.h"

namespace holdfast {

struct RestoreRequest {
    AccessRequest access;
    PointFilter filter;
    std::string point;                  // may carry a path
    std::optional<std::string> target;  // unset: where it was (--original)
    std::string overwrite = "never";
    bool remove_extras = false;
    bool verify = false;
    bool dry_run = false;
    // Nothing is restored: only which packs it takes, and whether they can be read, is found out.
    bool plan = false;
    // Asks for packs that are frozen, and unless it is a plan waits for them: expedited, standard or bulk; empty: does not.
    std::string thaw;
    std::string thaw_days = "7";   // that they can be read for: 1 to 365
    std::string thaw_poll = "10m";  // the longest time between two looks at them
};

struct RestoreResponse {
    std::string restore_point;
    std::string target;
    std::uint64_t files = 0, directories = 0, others = 0;
    std::uint64_t bytes = 0, bytes_written = 0, bytes_verified = 0;
    std::uint64_t unchanged = 0, removed = 0, problem_count = 0;
    bool is_dry_run = false;  // nothing was done: the figures say what would be
    std::vector<std::string> removed_paths;  // the first 1,000
    bool found_damage = false;
    std::vector<std::string> problems;
    std::optional<ThawPlan> plan;  // of a plan: what all else says is what a dry run says
    std::uint64_t asked_packs = 0;  // of a plan that thaws: that were frozen
    double seconds = 0;
};

// Errors: frozen, before anything is written, when packs cannot be read yet and `thaw` is empty; already_exists,
// invalid_argument, refused; of the repository and the target.
Result<RestoreResponse> restore(const RestoreRequest& request,
                                Progress& progress,
                                std::stop_token stop);

}  // namespace holdfast
