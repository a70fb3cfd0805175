// A run, source by source: hooks and backup.
#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "api/run_operation.h"
#include "base/unique_fd.h"
#include "config/config.h"

namespace holdfast {

// A source that this run works on.
struct RunningSource {
    const SourceConfig* config = nullptr;
    PolicyConfig policy;  // of a source without one: the defaults
    UniqueFd lock;
    std::vector<RunStep> steps;
    // Of the restore points; empty when there was no backup.
    std::string host, name;
    std::string restore_point;
    std::optional<TimeNs> last_full;  // as SourceRecord has it
    bool is_busy = false;
    bool is_backed_up = false;
};

// The access to a repository of the configuration.
AccessRequest access_to(const RunRequest& request, const std::string& repository);
// A step that has failed.
RunStep failed_step(RunStep step, const Error& error);
// Hooks before, backup, hooks after; or hooks of failure.
void run_source(const RunRequest& request, RunningSource& source, const std::stop_token& stop);

}  // namespace holdfast
