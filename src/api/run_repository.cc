#include "api/run_repository.h"

#include <set>

#include "api/browse_operations.h"
#include "api/check_operation.h"
#include "api/point_operations.h"
#include "api/prune_operation.h"
#include "api/run_copies.h"
#include "api/synthesize_operation.h"

namespace holdfast {
namespace {

using Sources = std::vector<RunningSource*>;

PointFilter filter_of(const RunningSource& source) {
    PointFilter filter;
    filter.host = source.host;
    filter.name = source.name;
    return filter;
}

RunStep step_of(const char* kind, const std::string& repository) {
    RunStep step;
    step.kind = kind;
    step.repository = repository;
    return step;
}

void add(const RunRequest& request, const Sources& sources, const RunStep& step) {
    if (request.on_step) request.on_step(step);
    for (RunningSource* source : sources) source->steps.push_back(step);
}

// Makes a synthetic full of the newest restore point when the policy asks for one, and deletes the point that it was
// made from: both have the same content and time, and retention would count them as two.
Status synthesize_if_asked(const RunRequest& request, RunningSource& source, RunStep& step, const std::stop_token& stop) {
    const AccessRequest access = access_to(request, source.config->repository);
    HF_TRY(const std::vector<PointSummary> points, list({access, filter_of(source), false}));
    std::vector<SynthesisPoint> facts;
    const PointSummary* newest = nullptr;
    for (const PointSummary& point : points) {
        if (point.is_damaged) continue;
        const BackupType type = point.record.type;
        const bool is_full = type == BackupType::full || type == BackupType::synthetic_full;
        facts.push_back({point.record.started, is_full});
        if (is_full) source.last_full = std::max(source.last_full.value_or(point.record.started), point.record.started);
        if (newest == nullptr || point.record.started >= newest->record.started) newest = &point;
    }
    const TimeNs now = request.time.value_or(system_clock().now());
    const SynthesisRule& rule = source.policy.synthesis;
    step.detail = synthesis_reason(facts, source.last_full, rule, now);
    if (step.detail.empty() && asks_fragmentation(facts, source.last_full, rule)) {
        HF_TRY(const FragmentationResponse found, fragmentation({access, filter_of(source), newest->id}, stop));
        step.detail = fragmentation_reason(found.percent, rule);
    }
    if (step.detail.empty()) return {};
    Progress progress;
    HF_TRY(const SynthesizeResponse made, synthesize({access, filter_of(source), newest->id}, progress, stop));
    step.restore_point = made.point;
    step.bytes_read = made.bytes_read;
    step.bytes_added = made.bytes_stored;
    step.points = 1;
    source.restore_point = made.point;
    source.last_full = newest->record.started;
    const auto removed = change_points({access, filter_of(source), {made.from}, PointAction::remove,
                                        "its synthetic full has taken its place"});
    // One that is held stays beside it.
    if (!removed.ok() && removed.error().code() != ErrorCode::refused) return removed.error();
    return {};
}

void run_synthesis(const RunRequest& request, RunningSource& source, const std::stop_token& stop) {
    if (!source.policy.synthesis.is_wanted || request.dry_run) return;
    RunStep step = step_of("synthesize", source.config->repository);
    step.source = source.config->name;
    const TimeNs start = system_clock().monotonic();
    const Status done = synthesize_if_asked(request, source, step, stop);
    step.seconds = static_cast<double>(system_clock().monotonic() - start) / ns_per_second;
    if (done.ok() && step.detail.empty()) return;
    if (!done.ok()) step = failed_step(std::move(step), done.error());
    add(request, {&source}, step);
}

// Which rules are for which points. A dry run's backup names no point, but host and name.
std::vector<PruneRule> rules_of(const Sources& sources) {
    std::vector<PruneRule> rules;
    for (const RunningSource* source : sources)
        if (!source->policy.keep.empty() || source->policy.synthesis.is_wanted)
            rules.push_back({filter_of(*source), source->policy.keep});
    return rules;
}

void run_prune(const RunRequest& request, const std::string& repository, const Sources& sources, const std::stop_token& stop) {
    std::vector<PruneRule> rules = rules_of(sources);
    if (rules.empty()) return;
    PruneRequest prune_request;
    prune_request.access = access_to(request, repository);
    prune_request.filter = rules.front().filter;
    prune_request.rules = rules.front().rules;
    prune_request.more.assign(rules.begin() + 1, rules.end());
    prune_request.dry_run = request.dry_run;
    RunStep step = step_of("prune", repository);
    Progress progress;
    const auto pruned = prune(prune_request, progress, stop);
    if (pruned.ok()) {
        step.points = pruned->points_removed;
        step.bytes_reclaimed = pruned->bytes_reclaimed;
        step.seconds = pruned->seconds;
    } else {
        step = failed_step(std::move(step), pruned.error());
    }
    add(request, sources, step);
}

void run_check(const RunRequest& request, const std::string& repository, const Sources& sources, const std::stop_token& stop) {
    if (request.dry_run) return;
    std::set<std::string> amounts;
    for (const RunningSource* source : sources)
        if (!source->policy.check.empty()) amounts.insert(source->policy.check);
    for (const std::string& amount : amounts) {
        RunStep step = step_of("check", repository);
        step.detail = amount;
        Progress progress;
        const auto checked = check({access_to(request, repository), amount}, progress, stop);
        if (!checked.ok()) {
            step = failed_step(std::move(step), checked.error());
        } else {
            step.bytes_read = checked->bytes_read;
            step.seconds = checked->seconds;
            if (checked->problem_count != 0)
                step = failed_step(std::move(step),
                                   {ErrorCode::corrupt, std::to_string(checked->problem_count) + " problems: " +
                                                            (checked->problems.empty() ? "" : checked->problems.front())});
        }
        add(request, sources, step);
    }
}

}  // namespace

void run_repositories(const RunRequest& request, std::vector<RunningSource>& sources, const std::stop_token& stop) {
    std::map<std::string, Sources> by_repository, by_copy;
    for (RunningSource& source : sources) {
        if (!source.is_backed_up) continue;
        by_repository[source.config->repository].push_back(&source);
        for (const std::string& copy : source.policy.copies)
            if (copy != source.config->repository) by_copy[copy].push_back(&source);
    }
    for (const auto& [repository, touched] : by_repository) {
        for (RunningSource* source : touched)
            if (!stop.stop_requested()) run_synthesis(request, *source, stop);
        if (!stop.stop_requested()) run_prune(request, repository, touched, stop);
    }
    for (const auto& [repository, touched] : by_copy) {
        for (RunningSource* source : touched)
            if (!stop.stop_requested())
                if (const auto step = run_copies(request, *source, repository, stop)) add(request, {source}, *step);
        if (!stop.stop_requested()) run_prune(request, repository, touched, stop);
    }
    for (const auto* repositories : {&by_repository, &by_copy})
        for (const auto& [repository, touched] : *repositories)
            if (!stop.stop_requested()) run_check(request, repository, touched, stop);
}

}  // namespace holdfast
