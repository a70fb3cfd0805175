#include "api/run_operation.h"

#include "api/configuration.h"
#include "api/notification.h"
#include "api/point_selection.h"
#include "api/run_repository.h"
#include "api/run_source.h"
#include "api/source_record.h"
#include "api/status_operation.h"
#include "base/file_io.h"

namespace holdfast {
namespace {

class Run {
  public:
    Run(const RunRequest& request, const Config& config)
        : request_(request),
          config_(config),
          stop_(request.access.stop),
          directory_(default_places().state),
          now_(request.time.value_or(system_clock().now())) {}

    RunResponse run(const std::vector<std::string>& names) {
        std::vector<RunningSource> sources;
        for (const std::string& name : names) {
            if (stop_.stop_requested()) break;
            sources.push_back(begin(config_.sources.at(name)));
            if (!sources.back().is_busy) run_source(request_, sources.back(), stop_);
        }
        run_repositories(request_, sources, stop_);
        for (RunningSource& source : sources) finish(source);
        std::vector<ExitStatus> statuses;
        for (const RunSource& source : response_.sources) statuses.push_back(source.status);
        response_.status = stop_.stop_requested() ? ExitStatus::interrupted : worst_status(statuses);
        return std::move(response_);
    }

  private:
    void warn(std::string text) {
        if (request_.on_warning) request_.on_warning(text);
        response_.warnings.push_back(std::move(text));
    }

    RunningSource begin(const SourceConfig& config) {
        RunningSource source;
        source.config = &config;
        source.policy.type = "incremental";
        if (config.policy) source.policy = config_.policies.at(*config.policy);
        if (request_.dry_run) return source;
        auto lock = lock_source(directory_, config.name);
        if (lock.ok()) {
            source.lock = std::move(lock).value();
            source.last_full = read_source_record(directory_, config.name).last_full;
            return source;
        }
        source.is_busy = true;
        RunStep step;
        step.kind = "backup";
        step.source = config.name;
        step.repository = config.repository;
        step = failed_step(std::move(step), lock.error());
        if (request_.on_step) request_.on_step(step);
        source.steps.push_back(std::move(step));
        return source;
    }

    RunSource outcome_of(const RunningSource& source) {
        RunSource one;
        one.name = source.config->name;
        one.repository = source.config->repository;
        one.restore_point = source.restore_point;
        std::vector<ExitStatus> statuses;
        for (const RunStep& step : source.steps) statuses.push_back(step.status);
        one.status = worst_status(statuses);
        const bool is_failed = one.status != ExitStatus::done && one.status != ExitStatus::incomplete;
        for (const RunStep& step : source.steps) {
            const bool counts = is_failed ? step.status != ExitStatus::incomplete : true;
            if (one.error.empty() && counts) one.error = step.error;
        }
        return one;
    }

    void finish(RunningSource& source) {
        RunSource one = outcome_of(source);
        // A step of a repository is in every source that it concerns; it is the same one.
        for (const RunStep& step : source.steps) add_step(step);
        const bool is_interrupted = stop_.stop_requested() && one.status != ExitStatus::done;
        if (!request_.dry_run && !source.is_busy && !is_interrupted) record(source, one);
        source.lock.reset();
        response_.sources.push_back(std::move(one));
    }

    void add_step(const RunStep& step) {
        if (step.source.empty())
            for (const RunStep& known : response_.steps)
                if (known.source.empty() && known.kind == step.kind && known.repository == step.repository &&
                    known.detail == step.detail)
                    return;
        response_.steps.push_back(step);
    }

    // Keeps what has become of it, and tells who wants to know.
    void record(const RunningSource& source, const RunSource& one) {
        SourceRecord record = read_source_record(directory_, one.name);
        const SourceState state = one.status == ExitStatus::done         ? SourceState::done
                                  : one.status == ExitStatus::incomplete ? SourceState::incomplete
                                                                         : SourceState::failed;
        if (record.state != state) record.since = now_;
        record.state = state;
        record.last_run = now_;
        record.error = one.error;
        record.last_full = source.last_full;
        if (!one.restore_point.empty()) {
            record.last_success = now_;
            record.restore_point = one.restore_point;
            record.host = source.host;
            record.name = source.name;
        }
        // First what is known, then who is told: a notifier that hangs loses nothing.
        keep(one.name, record);
        Notification notification;
        notification.state = state;
        notification.source = one.name;
        notification.host = source.host.empty() ? this_host() : source.host;
        notification.repository = one.repository;
        notification.restore_point = one.restore_point;
        notification.error = one.error;
        notification.time = now_;
        const auto before = record.told;
        for (const auto& [name, config] : config_.notifications)
            for (const NotifyWay way : notify_ways(config)) tell(config, way, notification, record);
        if (record.told != before) keep(one.name, record);
    }

    void keep(const std::string& name, const SourceRecord& record) {
        const Status written = write_source_record(directory_, name, record);
        if (!written.ok()) warn("cannot keep the state of " + name + ": " + written.error().describe());
    }

    // Who could not be told is told after the next run, and nobody for another's sake.
    void tell(const NotifyConfig& config, NotifyWay way, Notification& notification, SourceRecord& record) {
        const std::string who = config.name + ' ' + std::string(notify_way_name(way));
        const auto told = record.told.find(who);
        const SourceState before = told == record.told.end() ? SourceState::unknown : told->second;
        if (const auto event = event_of(config.on, before, notification.state)) {
            notification.event = *event;
            const Status sent = notify(config, way, notification, stop_);
            if (!sent.ok()) return warn("notification " + config.name + ": " + sent.error().describe());
        }
        record.told[who] = notification.state;
    }

    const RunRequest& request_;
    const Config& config_;
    const std::stop_token stop_;
    const std::string directory_;
    const TimeNs now_;
    RunResponse response_;
};

void warn(const RunRequest& request, RunResponse& response, std::string text) {
    if (request.on_warning) request.on_warning(text);
    response.warnings.push_back(std::move(text));
}

// What ran goes into the catalogue. Where there is a metrics file what is protected now is measured, too: nobody else
// would write it.
void keep_outcome(const RunRequest& request, const Config& config, RunResponse& response) {
    std::vector<RanStep> steps;
    for (const RunStep& step : response.steps)
        steps.push_back({system_clock().now(), step.kind, step.source, step.repository, step.error,
                         static_cast<int>(step.status), step.seconds, step.bytes_read, step.bytes_added});
    const Status kept = keep_steps(steps);
    if (!kept.ok()) warn(request, response, "the catalogue: " + kept.error().describe());
    if (config.metrics_file.empty()) return;
    StatusRequest asked;
    asked.access.config_file = request.access.config_file;
    asked.access.cache_directory = request.access.cache_directory;
    asked.access.stop = request.access.stop;
    const auto found = status(asked);
    if (!found.ok()) return warn(request, response, "status: " + found.error().describe());
    for (const std::string& text : found->warnings) warn(request, response, text);
}

}  // namespace

Result<RunResponse> run(const RunRequest& request) {
    const AccessRequest& access = request.access;
    if (access.repository || access.key_file || access.passphrase_file || access.passphrase_command)
        return Error(ErrorCode::invalid_argument, "run takes repositories and keys from the configuration");
    HF_TRY(const Config config, load_configuration(access.config_file));
    HF_TRY(const std::vector<std::string> names, chosen_sources(config, request.names));
    if (names.empty())
        return Error(ErrorCode::invalid_argument,
                     config.files.empty()
                         ? "there is no configuration: no " + configuration_place(request.access.config_file).file
                         : "the configuration has no source for this");
    RunResponse response = Run(request, config).run(names);
    if (!request.dry_run) keep_outcome(request, config, response);
    return response;
}

}  // namespace holdfast
