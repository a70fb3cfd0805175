// Operation `restore`.
#pragma once

#include <stop_token>

#include "api/browse_operations.h"

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
    double seconds = 0;
};

Result<RestoreResponse> restore(const RestoreRequest& request,
                                Progress& progress,
                                std::stop_token stop);

}  // namespace holdfast
