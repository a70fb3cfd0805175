// The operation `run`: does what the configuration says. docs/how-to/run-from-a-configuration.md.
#pragma once

#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "api/exit_status.h"
#include "api/repository_access.h"
#include "base/clock.h"

namespace holdfast {

// One thing that a run did.
struct RunStep {
    std::string kind;        // hook, backup, synthesize, prune, copy, check
    std::string source;      // its name; empty where it is about a repository
    std::string repository;  // its name
    ExitStatus status = ExitStatus::done;
    std::string error;
    std::string detail;  // for people
    std::string restore_point;
    std::uint64_t bytes_read = 0, bytes_added = 0, bytes_reclaimed = 0;
    std::uint64_t points = 0;  // made, copied or removed
    double seconds = 0;
};

// What has become of a source: its own steps, and those of its repositories.
struct RunSource {
    std::string name, repository;
    ExitStatus status = ExitStatus::done;
    std::string error;          // of the first step that failed
    std::string restore_point;  // empty: none was made
};

struct RunRequest {
    AccessRequest access;            // only configuration, cache and stop are of use
    std::vector<std::string> names;  // sources or policies; none: all sources
    std::optional<TimeNs> time;      // of the restore points, and what ages are counted to; unset: now
    bool dry_run = false;            // no hook runs, nothing is stored or told
    std::function<void(const RunStep&)> on_step;  // after each; may be empty
    std::function<void(const std::string&)> on_warning;
};

struct RunResponse {
    std::vector<RunSource> sources;
    std::vector<RunStep> steps;
    std::vector<std::string> warnings;  // of notifications and records
    ExitStatus status = ExitStatus::done;
};
// Goes on where one source or repository fails. Errors: of the configuration, invalid_argument for a name that there is
// not, or a configuration without sources.
Result<RunResponse> run(const RunRequest& request);

}  // namespace holdfast
