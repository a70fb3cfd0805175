#include <nlohmann/json.hpp>

#include "api/run_operation.h"
#include "cli/command.h"
#include "cli/output.h"

namespace holdfast {
namespace {

struct State {
    RunRequest request;
    std::optional<std::string> time;
};

nlohmann::json json_of(const RunStep& step) {
    nlohmann::json document = {{"kind", step.kind},
                               {"source", step.source},
                               {"repository", step.repository},
                               {"status", static_cast<int>(step.status)},
                               {"detail", step.detail},
                               {"restore_point", step.restore_point},
                               {"restore_points", step.points},
                               {"bytes_read", step.bytes_read},
                               {"bytes_added", step.bytes_added},
                               {"bytes_reclaimed", step.bytes_reclaimed},
                               {"seconds", step.seconds}};
    add_path(document, "error", step.error);
    return document;
}

nlohmann::json json_of(const RunResponse& response, bool dry_run) {
    nlohmann::json sources = nlohmann::json::array(), steps = nlohmann::json::array();
    for (const RunSource& one : response.sources) {
        nlohmann::json& source = sources.emplace_back();
        source = {{"name", one.name},
                  {"repository", one.repository},
                  {"status", static_cast<int>(one.status)},
                  {"restore_point", one.restore_point}};
        add_path(source, "error", one.error);
    }
    for (const RunStep& step : response.steps) steps.push_back(json_of(step));
    return {{"schema", 1},       {"dry_run", dry_run},          {"status", static_cast<int>(response.status)},
            {"sources", sources}, {"steps", steps}, {"warnings", response.warnings}};
}

std::string figures_of(const RunStep& step) {
    std::string text;
    const auto add = [&text](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };
    if (!step.detail.empty()) add(printable(step.detail));
    if (!step.restore_point.empty()) add(step.restore_point.substr(0, 12));
    if (step.kind == "prune") add("removed " + format_count(step.points) + " restore points, reclaimed " + format_bytes(step.bytes_reclaimed));
    if (step.kind == "copy") add(format_count(step.points) + " restore points");
    if (step.bytes_read != 0) add("read " + format_bytes(step.bytes_read));
    if (step.bytes_added != 0) add("added " + format_bytes(step.bytes_added));
    return text;
}

void print_step(const RunStep& step, const Console& console) {
    std::string text = step.kind + ' ' + (step.source.empty() ? "" : step.source + ' ') + "(" + step.repository + "): ";
    if (step.status == ExitStatus::incomplete) print_warning(text + "skipped: " + printable(step.error));
    else if (step.status != ExitStatus::done) print_warning(text + "failed: " + printable(step.error));
    const bool is_shown = step.status == ExitStatus::done || step.status == ExitStatus::incomplete;
    if (is_shown && !console.quiet && !console.json) print_line(text + figures_of(step));
    std::fflush(stdout);
}

Result<ExitStatus> run_it(State& state, Console& console) {
    RunRequest& request = state.request;
    request.access = console.access;
    if (state.time) {
        HF_TRY(request.time, parse_rfc3339(*state.time));
    }
    // A run may take hours: each step is told when it ends.
    request.on_step = [&console](const RunStep& step) { print_step(step, console); };
    request.on_warning = [](const std::string& text) { print_warning("warning: " + printable(text)); };
    HF_TRY(const RunResponse response, run(request));
    if (console.json) print_json(json_of(response, request.dry_run));
    return response.status;
}

}  // namespace

Command run_command() {
    auto state = std::make_shared<State>();
    Command command;
    command.name = "run";
    command.summary = "do what the configuration says: back up, synthesize, prune, copy, check";
    command.details =
        "One that fails does not keep the others. The exit status is 0 when all was done, 3 when something of a "
        "source could not be read, that of the failures when all are of one kind, else 1. A source that another "
        "run works on is left out, with status 11.";
    command.operands = {{"NAME...", "a source, or a policy for all that have it (default: all sources)",
                         &state->request.names, false}};
    command.options = {
        {"--time", "TIME", "time of the restore points, and what ages are counted to (default: now)", &state->time, {}},
        {"-n,--dry-run", "", "run no hook, store nothing, remove nothing, tell nobody", &state->request.dry_run, {}}};
    command.state = state;
    command.run = [state](Console& console) { return run_it(*state, console); };
    return command;
}

}  // namespace holdfast
