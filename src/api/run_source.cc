#include "api/run_source.h"

#include "api/backup_operation.h"
#include "base/subprocess.h"

namespace holdfast {
namespace {

double seconds_since(TimeNs start) {
    return static_cast<double>(system_clock().monotonic() - start) / ns_per_second;
}

RunStep step_of(const char* kind, const RunningSource& source) {
    RunStep step;
    step.kind = kind;
    step.source = source.config->name;
    step.repository = source.config->repository;
    return step;
}

void add(const RunRequest& request, RunningSource& source, RunStep step) {
    if (request.on_step) request.on_step(step);
    source.steps.push_back(std::move(step));
}

// The first step that has failed.
const RunStep* failure_of(const RunningSource& source) {
    for (const RunStep& step : source.steps)
        if (step.status != ExitStatus::done && step.status != ExitStatus::incomplete) return &step;
    return nullptr;
}

ExitStatus status_of(const RunningSource& source) {
    std::vector<ExitStatus> statuses;
    for (const RunStep& step : source.steps) statuses.push_back(step.status);
    return worst_status(statuses);
}

// Runs hooks until one fails. False: one has. A command may hold a secret: it is named by its number.
bool run_hooks(const RunRequest& request,
               RunningSource& source,
               const char* when,
               const std::vector<std::string>& commands,
               const std::stop_token& stop) {
    for (std::size_t i = 0; i < commands.size(); ++i) {
        RunStep step = step_of("hook", source);
        step.detail = std::string(when) + ' ' + std::to_string(i + 1);
        const RunStep* const failure = failure_of(source);
        const ShellCommand command{commands[i],
                                   {{"HOLDFAST_SOURCE", source.config->name},
                                    {"HOLDFAST_HOOK", when},
                                    {"HOLDFAST_STATUS", std::to_string(static_cast<int>(status_of(source)))},
                                    {"HOLDFAST_ERROR", failure == nullptr ? "" : failure->error},
                                    {"HOLDFAST_RESTORE_POINT", source.restore_point}},
                                   "",
                                   source.config->hooks.timeout};
        const TimeNs start = system_clock().monotonic();
        const auto status = run_shell_command(command, system_clock(), stop);
        step.seconds = seconds_since(start);
        if (!status.ok()) step = failed_step(std::move(step), status.error());
        else if (*status != 0)
            step = failed_step(std::move(step), {ErrorCode::unavailable, "ended with status " + std::to_string(*status)});
        if (!step.error.empty()) step.error = "hook " + step.detail + ": " + step.error;
        const bool has_failed = step.status != ExitStatus::done;
        add(request, source, std::move(step));
        if (has_failed) return false;
    }
    return true;
}

BackupRequest backup_request(const RunRequest& request, const RunningSource& source) {
    const SourceConfig& config = *source.config;
    BackupRequest backup;
    backup.access = access_to(request, config.repository);
    backup.sources = {config.source};
    backup.type = source.policy.type;
    backup.host = config.host;
    backup.name = config.identity_name;
    backup.tags = config.tags;
    backup.time = request.time;
    backup.compression = config.compression;
    backup.exclude = {config.exclude,        config.exclude_files,  config.exclude_if_present,
                      config.exclude_caches, config.exclude_nodump, config.one_file_system};
    backup.dry_run = request.dry_run;
    return backup;
}

bool back_up(const RunRequest& request, RunningSource& source, const std::stop_token& stop) {
    RunStep step = step_of("backup", source);
    BackupResponse response;
    Progress progress;
    const TimeNs start = system_clock().monotonic();
    const Status done = backup(backup_request(request, source), response, progress, stop);
    step.seconds = seconds_since(start);
    if (!response.sources.empty()) {
        const BackupSourceResponse& one = response.sources.front();
        step.restore_point = one.restore_point;
        step.detail = one.type;
        step.bytes_read = one.bytes_read;
        step.bytes_added = one.bytes_added;
        step.points = one.restore_point.empty() ? 0 : 1;
        if (one.skipped != 0) {
            step.status = ExitStatus::incomplete;
            step.error = std::to_string(one.skipped) + " could not be read" +
                         (one.problems.empty() ? "" : ": " + one.problems.front());
        }
        source.host = one.host;
        source.name = one.name;
        if (done.ok()) source.restore_point = one.restore_point;
    }
    if (!done.ok()) step = failed_step(std::move(step), done.error());
    source.is_backed_up = done.ok();
    add(request, source, std::move(step));
    return done.ok();
}

}  // namespace

AccessRequest access_to(const RunRequest& request, const std::string& repository) {
    AccessRequest access;
    access.repository = repository;
    access.config_file = request.access.config_file;
    access.cache_directory = request.access.cache_directory;
    access.limit_upload = request.access.limit_upload;
    access.limit_download = request.access.limit_download;
    access.stop = request.access.stop;
    return access;
}

RunStep failed_step(RunStep step, const Error& error) {
    step.status = exit_status_of(error);
    step.error = error.describe();
    return step;
}

void run_source(const RunRequest& request, RunningSource& source, const std::stop_token& stop) {
    if (request.dry_run) {
        (void)back_up(request, source, stop);
        return;
    }
    const HooksConfig& hooks = source.config->hooks;
    const bool is_done = run_hooks(request, source, "before", hooks.before, stop) && back_up(request, source, stop) &&
                         run_hooks(request, source, "after", hooks.after, stop);
    // Also when it was interrupted: what a hook has stopped before is to be started again.
    if (!is_done) (void)run_hooks(request, source, "failure", hooks.failure, {});
}

}  // namespace holdfast
