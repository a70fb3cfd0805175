#include <charconv>
#include <nlohmann/json.hpp>

#include "api/prune_operation.h"
#include "cli/command.h"
#include "cli/output.h"
#include "cli/point_json.h"
#include "cli/progress_display.h"

namespace holdfast {
namespace {

struct State {
    PruneRequest request;
    std::optional<std::string> host, source, name;
    std::optional<std::string> last, hourly, daily, weekly, monthly, yearly, within;
};

Result<unsigned> parse_count(const char* option, const std::optional<std::string>& text) {
    if (!text) return 0u;
    unsigned value = 0;
    const char* end = text->data() + text->size();
    const auto [stop, error] = std::from_chars(text->data(), end, value);
    if (error != std::errc{} || stop != end || value == 0 || value > 1'000'000)
        return Error(ErrorCode::invalid_argument,
                     std::string(option) + ": a number from 1 to 1,000,000, not '" + *text + "'");
    return value;
}

Status fill_rules(State& state) {
    RetentionRules& rules = state.request.rules;
    HF_TRY(rules.last, parse_count("--keep-last", state.last));
    HF_TRY(rules.hourly, parse_count("--keep-hourly", state.hourly));
    HF_TRY(rules.daily, parse_count("--keep-daily", state.daily));
    HF_TRY(rules.weekly, parse_count("--keep-weekly", state.weekly));
    HF_TRY(rules.monthly, parse_count("--keep-monthly", state.monthly));
    HF_TRY(rules.yearly, parse_count("--keep-yearly", state.yearly));
    if (state.within) {
        HF_TRY(rules.within, parse_period(*state.within));
    }
    return {};
}

std::string joined(const std::vector<std::string>& texts) {
    std::string result;
    for (const std::string& text : texts) result += (result.empty() ? "" : ", ") + text;
    return result;
}

nlohmann::json json_of(const PruneResponse& r, bool dry_run) {
    nlohmann::json points = nlohmann::json::array();
    for (const PruneDecision& one : r.points) {
        nlohmann::json point = json_of(one.point);
        point["stays"] = one.stays;
        point["reasons"] = one.reasons;
        points.push_back(std::move(point));
    }
    return {{"schema", 1},
            {"dry_run", dry_run},
            {"restore_points", std::move(points)},
            {"removed_restore_points", r.points_removed},
            {"live_bytes", r.live_bytes},
            {"dead_bytes", r.dead_bytes},
            {"removed_objects", r.objects_removed},
            {"rewritten_objects", r.objects_rewritten},
            {"bytes_copied", r.bytes_copied},
            {"bytes_reclaimed", r.bytes_reclaimed},
            {"locked_restore_points", r.points_locked},
            {"bytes_locked", r.bytes_locked},
            {"bytes_archived", r.bytes_archived},
            {"bytes_waiting", r.bytes_waiting},
            {"waiting_for", r.waiting_for},
            {"seconds", r.seconds}};
}

void print_points(const PruneResponse& r) {
    for (const PruneDecision& one : r.points)
        print_line(std::string(one.stays ? "keep    " : "remove  ") + one.point.id.substr(0, 12) + "  " +
                   format_rfc3339(one.point.record.started / ns_per_second * ns_per_second) + "  " +
                   printable(one.point.record.host) + "  " + printable(one.point.record.name) + "  " +
                   printable(joined(one.reasons)));
}

void print_sum(const PruneResponse& r, bool dry_run) {
    print_line((dry_run ? "would remove " : "removed ") + format_count(r.points_removed) +
               " restore points, reclaim" + (dry_run ? " " : "ed ") + format_bytes(r.bytes_reclaimed) +
               ": " + format_count(r.objects_removed) + " objects dropped, " +
               format_count(r.objects_rewritten) + " written anew (" + format_bytes(r.bytes_copied) +
               " copied); " + format_bytes(r.live_bytes) + " in use");
    if (r.points_locked != 0 || r.bytes_locked != 0)
        print_line(format_count(r.points_locked) + " restore points, and " + format_bytes(r.bytes_locked) +
                   " that nobody needs, are locked and stay until then");
    if (r.bytes_archived != 0)
        print_line(format_bytes(r.bytes_archived) + " that nobody needs stay in packs of an archive class, each until "
                   "nobody needs any of it");
    if (r.bytes_waiting != 0)
        print_line(format_bytes(r.bytes_waiting) + " more wait until backups that run now have ended (" +
                   printable(joined(r.waiting_for)) + "): the next prune takes them");
}

Result<ExitStatus> run(State& state, Console& console) {
    PruneRequest& request = state.request;
    request.access = console.access;
    request.filter.host = state.host;
    request.filter.source = state.source;
    request.filter.name = state.name;
    HF_TRY_STATUS(fill_rules(state));
    Progress progress;
    const auto response = [&] {
        const ProgressDisplay display(console, "prune", progress);
        return prune(request, progress, console.stop);
    }();
    if (!response.ok()) return response.error();
    if (console.json) {
        print_json(json_of(*response, request.dry_run));
        return ExitStatus::done;
    }
    if (console.quiet) return ExitStatus::done;
    if (request.dry_run || !request.rules.empty()) print_points(*response);
    print_sum(*response, request.dry_run);
    return ExitStatus::done;
}

}  // namespace

Command prune_command() {
    auto state = std::make_shared<State>();
    PruneRequest& request = state->request;
    Command command;
    command.name = "prune";
    command.summary = "remove restore points by rules, and reclaim the space of what nobody needs";
    command.details =
        "Of each source (host and name), a restore point stays when any rule keeps it; without rules "
        "only deleted ones go. Held ones, and the last of a source, always stay. Backups go on meanwhile.";
    command.options = {
        {"--keep-last", "N", "keep the last N restore points", &state->last, {}},
        {"--keep-hourly", "N", "keep the newest of each of the last N hours that have any", &state->hourly, {}},
        {"--keep-daily", "N", "the same for days", &state->daily, {}},
        {"--keep-weekly", "N", "the same for weeks, which begin on Monday", &state->weekly, {}},
        {"--keep-monthly", "N", "the same for months", &state->monthly, {}},
        {"--keep-yearly", "N", "the same for years", &state->yearly, {}},
        {"--keep-within", "PERIOD", "keep all within this period before the newest, such as 30d or 1y6m", &state->within, {}},
        {"--keep-tag", "TAG", "keep those with this tag (repeatable: with any of them)", &request.rules.tags, {}},
        {"--host", "HOST", "rules are for restore points of this host", &state->host, {}},
        {"--source", "SOURCE", "rules are for restore points of this source: its path, URL or name", &state->source, {}},
        {"--name", "NAME", "the same, but never taken for a relative path", &state->name, {}},
        {"--allow-last", "", "the last restore point of a source may go, too", &request.allow_last, {}},
        {"-n,--dry-run", "", "say what would be done, and do nothing", &request.dry_run, {}}};
    command.state = state;
    command.run = [state](Console& console) { return run(*state, console); };
    return command;
}

}  // namespace holdfast
