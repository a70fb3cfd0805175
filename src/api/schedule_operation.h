// The operations `schedule preview`, `schedule install` and `schedule remove`.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "api/repository_access.h"
#include "base/clock.h"

namespace holdfast {

struct ScheduledRun {
    TimeNs time = 0;
    std::string policy;
    std::vector<std::string> sources;
};

struct PreviewRequest {
    AccessRequest access;
    std::vector<std::string> policies;  // none: all that have a schedule
    std::optional<TimeNs> from;         // unset: now
    unsigned count = 10;                // of all together
};
// By time. Errors: of the configuration; invalid_argument for a policy that there is not, or has no schedule.
Result<std::vector<ScheduledRun>> preview_schedule(const PreviewRequest& request);

enum class Scheduler : std::uint8_t { systemd, cron };

struct ScheduleRequest {
    AccessRequest access;
    Scheduler scheduler = Scheduler::systemd;
    std::optional<std::string> directory;  // unset: where the scheduler looks; else nobody tells it
    bool dry_run = false;
};

struct ScheduleFile {
    std::string path;
    std::string text;  // empty: removed
};
struct ScheduleResponse {
    std::vector<ScheduleFile> files;
    std::vector<std::string> commands;  // that tell the scheduler
    bool has_told = false;              // they were run
};
// Writes a unit and a timer for each policy with a schedule and a source, or a fragment of a crontab; what an earlier
// one wrote and is of no more use goes. Errors: of the configuration; unsupported for times that cron has no words for;
// already_exists for a file that is not of this program; those of writing, and of the commands.
Result<ScheduleResponse> install_schedule(const ScheduleRequest& request);
// Removes what install_schedule() wrote.
Result<ScheduleResponse> remove_schedule(const ScheduleRequest& request);

}  // namespace holdfast
