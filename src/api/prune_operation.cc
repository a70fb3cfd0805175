#include "api/prune_operation.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "policy/calendar.h"
#include "repository/marks.h"
#include "repository/prune.h"

namespace holdfast {
namespace {

PointSummary summary_of(const PointInfo& point) {
    return {point.id.hex(), point.record, point.is_deleted, point.is_held, point.is_damaged};
}

// The points of one source, newest first.
using Group = std::vector<PointInfo>;

// What the rules say of points that nobody has deleted, and that the deleted ones go.
std::vector<PruneDecision> decide(const Group& group,
                                  const RetentionRules& rules,
                                  bool allow_last,
                                  TimeNs now) {
    std::vector<RetentionPoint> candidates;
    std::vector<PruneDecision> decisions;
    for (const PointInfo& point : group) {
        decisions.push_back({summary_of(point), !point.is_deleted || point.is_held, {}});
        if (!point.is_deleted)
            candidates.push_back({point.record.started, point.record.tags, point.is_held});
        else
            decisions.back().reasons.push_back(point.is_held ? "held" : "deleted");
    }
    const auto retained = decide_retention(candidates, rules, now, local_zone_offset);
    auto next = retained.begin();
    for (std::size_t i = 0; i < group.size(); ++i) {
        if (group[i].is_deleted) continue;
        decisions[i].stays = next->stays();
        decisions[i].reasons = next->stays() ? next->reasons : std::vector<std::string>{"no rule keeps it"};
        ++next;
    }
    const bool none_stays = std::none_of(decisions.begin(), decisions.end(),
                                         [](const PruneDecision& one) { return one.stays; });
    if (none_stays && !allow_last && !decisions.empty()) {
        // The newest that was not deleted by hand; else the newest.
        auto last = std::find_if(decisions.begin(), decisions.end(), [](const PruneDecision& one) {
            return !one.point.is_deleted;
        });
        if (last == decisions.end()) last = decisions.begin();
        last->stays = true;
        last->reasons = {"the last of its source"};
    }
    return decisions;
}

// All points by source: host and name.
Result<std::vector<Group>> groups_of(Repository& repository) {
    HF_TRY(std::vector<PointInfo> points, list_points(repository, {}, Deleted::shown));
    HF_TRY([[maybe_unused]] const auto forged, believe_readers_only(repository, points));
    // A client's points do not count when it is asked which of a reader's are kept.
    std::map<std::tuple<std::string, std::string, bool>, Group> groups;
    for (PointInfo& point : points) {
        if (point.is_damaged && !point.is_deleted) continue;  // the plan says what is to be done
        groups[{point.record.host, point.record.name, point.is_claim}].push_back(std::move(point));
    }
    std::vector<Group> result;
    for (auto& [identity, group] : groups) {
        std::stable_sort(group.begin(), group.end(), [](const PointInfo& a, const PointInfo& b) {
            return a.record.started > b.record.started;
        });
        result.push_back(std::move(group));
    }
    return result;
}

// What is locked stays, whatever the rules say.
void keep_locked(const PrunePlan& plan, PruneResponse& response) {
    for (PruneDecision& decision : response.points) {
        const bool is_locked = std::any_of(plan.locked_points.begin(), plan.locked_points.end(), [&](const PointInfo& point) {
            return point.id.hex() == decision.point.id;
        });
        if (!is_locked) continue;
        decision.stays = true;
        decision.reasons.push_back("locked");
    }
}

// For each point that some rule is for, the first such rule.
Result<std::map<RestorePointId, const RetentionRules*>> rules_by_point(Repository& repository,
                                                                       const PruneRequest& request) {
    std::map<RestorePointId, const RetentionRules*> result;
    const auto add = [&](const PointFilter& filter, const RetentionRules& rules) -> Status {
        HF_TRY(const auto chosen, list_points(repository, filter, Deleted::shown));
        for (const PointInfo& point : chosen) result.emplace(point.id, &rules);
        return {};
    };
    HF_TRY_STATUS(add(request.filter, request.rules));
    for (const PruneRule& rule : request.more) HF_TRY_STATUS(add(rule.filter, rule.rules));
    return result;
}

void add_plan(const PrunePlan& plan, PruneResponse& response) {
    keep_locked(plan, response);
    response.points_locked = plan.locked_points.size();
    response.bytes_locked = plan.locked_bytes;
    response.bytes_archived = plan.archived_bytes;
    response.points_removed = plan.removed_points.size();
    response.live_bytes = plan.live_bytes;
    response.dead_bytes = plan.dead_bytes;
    response.objects_removed = plan.removed_objects;
    response.objects_rewritten = plan.rewritten_objects;
    response.bytes_copied = plan.copied_bytes;
    response.bytes_reclaimed = plan.reclaimed_bytes;
}

}  // namespace

Result<PruneResponse> prune(const PruneRequest& request, Progress& progress, std::stop_token stop) {
    const TimeNs start = system_clock().monotonic();
    HF_TRY(const auto repository, open_repository(request.access));
    PruneResponse response;
    PruneOptions options;
    HF_TRY(const std::vector<Group> groups, groups_of(*repository));
    HF_TRY(const auto rules, rules_by_point(*repository, request));
    for (const Group& group : groups) {
        // The filter is by source, so it takes a group whole or not at all.
        const auto rule = rules.find(group[0].id);
        const bool is_concerned = rule != rules.end();
        std::vector<PruneDecision> decisions =
            decide(group, is_concerned ? *rule->second : RetentionRules{}, request.allow_last,
                   system_clock().now());
        for (std::size_t i = 0; i < group.size(); ++i) {
            // One that is deleted goes by its mark, unless somebody takes that away until then.
            if (!decisions[i].stays && !group[i].is_deleted) options.removing.insert(group[i].id);
            if (decisions[i].stays && group[i].is_deleted) options.staying.insert(group[i].id);
        }
        if (is_concerned)
            std::move(decisions.begin(), decisions.end(), std::back_inserter(response.points));
    }
    const WriterIdentity identity = this_process(this_host());
    if (request.dry_run) {
        HF_TRY(const PrunePlan plan,
               plan_prune(*repository, options, identity, progress, std::move(stop)));
        add_plan(plan, response);
    } else {
        HF_TRY(PruneReport report,
               run_prune(*repository, options, identity, progress, std::move(stop)));
        add_plan(report.plan, response);
        response.bytes_reclaimed = report.deleted_bytes - std::min(report.deleted_bytes, report.written_bytes);
        response.bytes_waiting = report.waiting_bytes;
        response.waiting_for = std::move(report.waiting_for);
    }
    response.seconds = static_cast<double>(system_clock().monotonic() - start) / ns_per_second;
    return response;
}

}  // namespace holdfast
