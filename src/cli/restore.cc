#include <nlohmann/json.hpp>

#include "api/restore_operation.h"
#include "cli/output.h"
#include "cli/point_options.h"
#include "cli/progress_display.h"

namespace holdfast {
namespace {

struct State {
    PointOptions points;
    RestoreRequest request;
    bool original = false;
};

nlohmann::json json_of(const RestoreResponse& r) {
    nlohmann::json document = {{"schema", 1},
                               {"restore_point", r.restore_point},
                               {"files", r.files},
                               {"directories", r.directories},
                               {"others", r.others},
                               {"bytes", r.bytes},
                               {"bytes_written", r.bytes_written},
                               {"bytes_verified", r.bytes_verified},
                               {"unchanged", r.unchanged},
                               {"removed", r.removed},
                               {"problems", r.problem_count},
                               {"seconds", r.seconds}};
    add_path(document, "target", r.target);
    nlohmann::json& removed_paths = document["removed_paths"] = nlohmann::json::array();
    for (const std::string& path : r.removed_paths)
        add_path(removed_paths.emplace_back(nlohmann::json::object()), "path", path);
    return document;
}

void print_removals(const RestoreResponse& r) {
    for (const std::string& path : r.removed_paths) print_line("would remove " + printable(path));
    if (r.removed > r.removed_paths.size())
        print_line("would remove " + format_count(r.removed - r.removed_paths.size()) + " more");
}

void print_text(const RestoreResponse& r) {
    if (r.is_dry_run) print_removals(r);
    char seconds[32];
    std::snprintf(seconds, sizeof seconds, "%.1f s", r.seconds);
    std::string line =
        (r.is_dry_run ? "would restore " : "restored ") + r.restore_point.substr(0, 12) + " to " +
        printable(r.target) + ": " + format_count(r.files) + " files, " + format_bytes(r.bytes) +
        (r.is_dry_run ? ", would write " : ", wrote ") + format_bytes(r.bytes_written);
    if (r.unchanged != 0) line += ", " + format_count(r.unchanged) + " unchanged";
    if (r.removed != 0)
        line += ", " + format_count(r.removed) + (r.is_dry_run ? " would be removed" : " removed");
    if (r.bytes_verified != 0) line += ", verified " + format_bytes(r.bytes_verified);
    print_line(line + ", " + seconds);
}

std::string_view state_name(const Readability& is) {
    switch (is.state) {
        case Readability::State::readable: return "readable";
        case Readability::State::frozen: return "frozen";
        case Readability::State::thawing: return "thawing";
    }
    return "readable";
}

nlohmann::json json_of(const ThawPlan::Sum& sum) {
    return {{"packs", sum.packs}, {"bytes", sum.bytes}};
}

nlohmann::json json_of_plan(const RestoreResponse& r) {
    const ThawPlan& plan = *r.plan;
    nlohmann::json packs = nlohmann::json::array();
    for (const ThawPlan::Pack& pack : plan.packs) {
        nlohmann::json& one = packs.emplace_back(
            nlohmann::json{{"name", pack.name}, {"bytes", pack.bytes}, {"state", state_name(pack.is)}});
        if (pack.is.until) one["readable_until"] = format_rfc3339(*pack.is.until);
    }
    nlohmann::json document = {{"schema", 1},
                               {"restore_point", r.restore_point},
                               {"files", r.files},
                               {"bytes", r.bytes_written},
                               {"needed", json_of(plan.all)},
                               {"readable", json_of(plan.readable)},
                               {"frozen", json_of(plan.frozen)},
                               {"thawing", json_of(plan.thawing)},
                               {"readable_until", nullptr},
                               {"asked", r.asked_packs},
                               {"packs", std::move(packs)},
                               {"seconds", r.seconds}};
    if (plan.readable_until) document["readable_until"] = format_rfc3339(*plan.readable_until);
    add_path(document, "target", r.target);
    return document;
}

void print_plan(const RestoreResponse& r) {
    const ThawPlan& plan = *r.plan;
    const auto text = [](const ThawPlan::Sum& sum, const char* unit = "") {
        return format_count(sum.packs) + unit + " (" + format_bytes(sum.bytes) + ")";
    };
    const std::string until =
        plan.readable_until ? ", the first until " + format_rfc3339(*plan.readable_until / ns_per_second * ns_per_second) : "";
    print_line("restoring " + r.restore_point.substr(0, 12) + " to " + printable(r.target) + " reads " +
               text(plan.all, " packs") + ": " + text(plan.readable) + " readable" + until + ", " + text(plan.frozen) + " frozen, " +
               text(plan.thawing) + " being thawed");
    if (r.asked_packs != 0) print_line("asked for " + format_count(r.asked_packs) + " of them now");
    if (plan.unreadable().packs != 0)
        print_line("the same command with --thaw" + std::string(plan.frozen.packs != 0 ? " asks for them," : "") +
                   " waits and restores, without --plan");
}

Result<ExitStatus> run(State& state, Console& console) {
    RestoreRequest& request = state.request;
    request.access = console.access;
    if (state.original == request.target.has_value())
        return Error(ErrorCode::invalid_argument, "give --target PATH or --original");
    HF_TRY(request.filter, state.points.filter());
    Progress progress;
    const auto response = [&] {
        const ProgressDisplay display(console, "restore", progress);
        return restore(request, progress, console.stop);
    }();
    if (!response.ok()) return response.error();
    if (response->plan) {
        if (console.json) print_json(json_of_plan(*response));
        else print_plan(*response);
        return ExitStatus::done;
    }
    for (const std::string& problem : response->problems)
        print_warning("problem: " + printable(problem));
    if (console.json)
        print_json(json_of(*response));
    else if (!console.quiet)
        print_text(*response);
    if (response->found_damage) return ExitStatus::damaged;
    return response->problem_count == 0 ? ExitStatus::done : ExitStatus::failed;
}

}  // namespace

Command restore_command() {
    auto state = std::make_shared<State>();
    RestoreRequest& r = state->request;
    Command command;
    command.name = "restore";
    command.summary = "bring back a restore point, a directory or a file of it";
    command.details =
        "The source's root becomes the target directory; a single file is placed in it. Without "
        "--overwrite nothing is overwritten, and a target that is not empty is refused.";
    command.operands = {{"POINT[:PATH]", "restore point, and a path in it", &r.point}};
    command.options = {
        {"-T,--target", "PATH", "directory, or s3://BUCKET/PREFIX, to restore into; made if it is missing", &r.target, {}},
        {"--original", "", "restore to where it was", &state->original, {}},
        {"--overwrite",
         "WHEN",
         "never (the default), changed (what differs in size or time), always",
         &r.overwrite,
         {"never", "changed", "always"}},
        {"--delete",
         "",
         "remove from the target what the restore point does not have, excluded files too",
         &r.remove_extras,
         {}},
        {"--verify", "", "read back and compare everything", &r.verify, {}},
        {"-n,--dry-run", "", "change nothing, say what would be written and removed", &r.dry_run, {}},
        {"--plan", "", "change nothing, say which packs it reads, and whether they are frozen in an archive class", &r.plan, {}},
        {"--thaw",
         "[=SPEED]",
         "ask for packs that are frozen, wait, and restore; with --plan only ask: expedited, standard (the default), bulk",
         &r.thaw,
         {"expedited", "standard", "bulk"},
         "standard"},
        {"--thaw-days", "N", "days that packs can be read for, once thawed: 7", &r.thaw_days, {}},
        {"--thaw-poll", "TIME", "the longest time between two looks at what is being thawed: 10m", &r.thaw_poll, {}}};
    for (Option& option : state->points.options()) command.options.push_back(std::move(option));
    command.state = state;
    command.run = [state](Console& console) { return run(*state, console); };
    return command;
}

}  // namespace holdfast
