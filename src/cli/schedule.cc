#include <charconv>
#include <ctime>
#include <nlohmann/json.hpp>

#include "api/schedule_operation.h"
#include "cli/command.h"
#include "cli/output.h"

namespace holdfast {
namespace {

struct PreviewState {
    PreviewRequest request;
    std::optional<std::string> from, count;
};
struct ChangeState {
    ScheduleRequest request;
    bool cron = false;
};

// "Mon 2026-03-30 02:30:00 CEST".
std::string local_text(TimeNs time) {
    const std::time_t seconds = static_cast<std::time_t>(time / ns_per_second);
    std::tm local{};
    char buffer[64] = {};
    if (::localtime_r(&seconds, &local) == nullptr) return format_rfc3339(time);
    static_cast<void>(std::strftime(buffer, sizeof buffer, "%a %Y-%m-%d %H:%M:%S %Z", &local));
    return buffer;
}

Result<ExitStatus> run_preview(PreviewState& state, Console& console) {
    PreviewRequest& request = state.request;
    request.access = console.access;
    if (state.from) {
        HF_TRY(request.from, parse_rfc3339(*state.from));
    }
    if (state.count) {
        const char* const end = state.count->data() + state.count->size();
        const auto [stop, error] = std::from_chars(state.count->data(), end, request.count);
        if (error != std::errc{} || stop != end || request.count == 0 || request.count > 1000)
            return Error(ErrorCode::invalid_argument, "--count: a number from 1 to 1,000, not '" + *state.count + "'");
    }
    HF_TRY(const std::vector<ScheduledRun> runs, preview_schedule(request));
    nlohmann::json times = nlohmann::json::array();
    for (const ScheduledRun& one : runs) {
        if (console.json) {
            times.push_back({{"time", format_rfc3339(one.time)}, {"policy", one.policy}, {"sources", one.sources}});
            continue;
        }
        std::string sources;
        for (const std::string& source : one.sources) sources += (sources.empty() ? "" : ", ") + source;
        print_line(local_text(one.time) + "  " + one.policy + "  (" + (sources.empty() ? "no source" : sources) + ")");
    }
    if (console.json) print_json({{"schema", 1}, {"times", std::move(times)}});
    else if (runs.empty()) print_line("nothing is scheduled");
    return ExitStatus::done;
}

void print_changes(const ScheduleResponse& response, const ScheduleRequest& request, const Console& console) {
    if (console.json) {
        nlohmann::json files = nlohmann::json::array();
        for (const ScheduleFile& file : response.files) {
            nlohmann::json& one = files.emplace_back();
            one["text"] = file.text;
            add_path(one, "path", file.path);
        }
        print_json({{"schema", 1}, {"files", std::move(files)}, {"commands", response.commands}});
        return;
    }
    if (console.quiet) return;
    if (response.files.empty()) print_line("there is nothing to remove");
    for (const ScheduleFile& file : response.files) {
        const char* const done = file.text.empty() ? (request.dry_run ? "would remove " : "removed ")
                                                   : (request.dry_run ? "would write " : "wrote ");
        print_line(done + printable(file.path));
        if (request.dry_run && !file.text.empty()) print_line("\n" + file.text);
    }
    for (const std::string& command : response.commands)
        print_line((response.has_told ? "did: " : request.dry_run ? "would do: " : "to do: ") + command);
}

Result<ExitStatus> run_change(ChangeState& state,
                              Result<ScheduleResponse> (*change)(const ScheduleRequest&),
                              Console& console) {
    state.request.access = console.access;
    state.request.scheduler = state.cron ? Scheduler::cron : Scheduler::systemd;
    HF_TRY(const ScheduleResponse response, change(state.request));
    print_changes(response, state.request, console);
    return ExitStatus::done;
}

Command preview_verb() {
    auto state = std::make_shared<PreviewState>();
    Command command;
    command.name = "preview";
    command.summary = "print the next times of the policies, in local time";
    command.operands = {{"POLICY...", "default: all that have a schedule and a source", &state->request.policies, false}};
    command.options = {{"-n,--count", "N", "how many times (default: 10)", &state->count, {}},
                       {"--from", "TIME", "the times after this one (default: now)", &state->from, {}}};
    command.state = state;
    command.run = [state](Console& console) { return run_preview(*state, console); };
    return command;
}

Command change_verb(const char* name,
                    const char* summary,
                    const char* details,
                    Result<ScheduleResponse> (*change)(const ScheduleRequest&)) {
    auto state = std::make_shared<ChangeState>();
    Command command;
    command.name = name;
    command.summary = summary;
    command.details = details;
    command.options = {
        {"--cron", "", "/etc/cron.d/holdfast in place of systemd's timers", &state->cron, {}},
        {"--directory", "PATH", "where the files are (default: where systemd or cron looks); nobody is told of them then",
         &state->request.directory, {}},
        {"-n,--dry-run", "", "print what would be done, and do nothing", &state->request.dry_run, {}}};
    command.state = state;
    command.run = [state, change](Console& console) { return run_change(*state, change, console); };
    return command;
}

}  // namespace

Command schedule_command() {
    Command command;
    command.name = "schedule";
    command.summary = "have systemd or cron run the policies of the configuration";
    command.verbs = {
        preview_verb(),
        change_verb("install", "write a timer for each policy that has a schedule, and enable it",
                    "What an earlier one wrote and is of no more use is removed. For root the units are the "
                    "system's, for others the user's own.",
                    install_schedule),
        change_verb("remove", "remove what `schedule install` has written", "", remove_schedule)};
    return command;
}

}  // namespace holdfast
