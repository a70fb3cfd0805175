#include "api/status_operation.h"

#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/output.h"

namespace holdfast {
namespace {

using Json = nlohmann::json;

struct State {
    StatusRequest request;
    bool nagios = false, prometheus = false;
    std::string steps;  // empty: not asked for
};

Json time_or_null(const std::optional<TimeNs>& time) { return time ? Json(format_rfc3339(*time)) : Json(); }

std::int64_t seconds_of(TimeNs time) { return time / ns_per_second; }

Json json_of(const CopyStatus& copy) {
    Json document = {{"repository", copy.place.repository},
                     {"site", copy.place.site},
                     {"medium", copy.place.medium},
                     {"devices", copy.place.devices},
                     {"known", copy.is_known},
                     {"measured", time_or_null(copy.measured)},
                     {"restore_point", copy.point},
                     {"time", copy.point.empty() ? Json() : Json(format_rfc3339(copy.time))},
                     {"restore_points", copy.points},
                     {"locked_until", time_or_null(copy.locked_until)},
                     {"governance", copy.is_governance},
                     {"lost_packs", copy.lost_containers},
                     {"checked", time_or_null(copy.check.checked)},
                     {"verified", time_or_null(copy.verified)},
                     {"data_bytes_never_read", copy.check.never_read_bytes},
                     {"problems", copy.check.problems},
                     {"counts", copy.counts}};
    add_path(document, "why_not", copy.why_not);
    add_path(document, "error", copy.error);
    return document;
}

Json json_of(const SourceStatus& source) {
    const SourceProtection& one = source.protection;
    Json document = {{"name", one.name},
                     {"policy", source.policy},
                     {"host", one.host},
                     {"status", verdict_name(one.verdict)},
                     {"restore_point", one.point},
                     {"last_success", one.point.empty() ? Json() : Json(format_rfc3339(one.time))},
                     {"skipped", one.skipped},
                     {"rule_321", verdict_name(one.rule_321)},
                     {"rule_32110", verdict_name(one.rule_32110)},
                     {"last_run", {{"state", source_state_name(source.last_run)}, {"time", time_or_null(source.ran)}}}};
    add_path(document, "identity", one.identity_name);
    add_path(document["last_run"], "error", source.error);
    Json& copies = document["copies"] = Json::array();
    for (const CopyStatus& copy : one.copies) copies.push_back(json_of(copy));
    Json& objectives = document["objectives"] = Json::array();
    for (const ObjectiveStatus& objective : one.objectives) {
        const bool is_time = objective.name == "rpo" || objective.name == "verified";
        Json& item = objectives.emplace_back();
        item = {{"name", objective.name},
                {"wanted", is_time ? seconds_of(objective.wanted) : objective.wanted},
                {"found", objective.found ? Json(is_time ? seconds_of(*objective.found) : *objective.found) : Json()},
                {"asked_for", objective.is_wanted},
                {"status", verdict_name(objective.verdict)}};
        add_path(item, "reason", objective.reason);
    }
    return document;
}

Json json_of(const StatusResponse& response) {
    Json sources = Json::array(), repositories = Json::array();
    for (const SourceStatus& one : response.sources) sources.push_back(json_of(one));
    static constexpr const char* keys[] = {"none", "unconfirmed", "confirmed"};
    for (const auto& [name, facts] : response.repositories) {
        Json& item = repositories.emplace_back();
        item = {{"name", name},
                {"id", facts.id},
                {"known", facts.is_known()},
                {"measured", time_or_null(facts.measured)},
                {"restore_points", facts.points.size()},
                {"recovery_key", keys[static_cast<std::size_t>(facts.recovery_key)]},
                {"checked", time_or_null(facts.check.checked)},
                {"problems", facts.check.problems},
                {"lock_seconds", facts.lock_period ? Json(seconds_of(*facts.lock_period)) : Json()}};
        add_path(item, "error", facts.error);
    }
    return {{"schema", 1},
            {"time", format_rfc3339(response.now)},
            {"status", verdict_name(response.verdict)},
            {"sources", std::move(sources)},
            {"repositories", std::move(repositories)},
            {"warnings", response.warnings}};
}

// "3 h", "12 d": two figures are enough.
std::string format_age(TimeNs age) {
    const std::int64_t seconds = std::max<std::int64_t>(seconds_of(age), 0);
    if (seconds < 120) return std::to_string(seconds) + " s";
    if (seconds < 2 * 3600) return std::to_string(seconds / 60) + " min";
    if (seconds < 48 * 3600) return std::to_string(seconds / 3600) + " h";
    return std::to_string(seconds / 86400) + " d";
}

std::string day_of(TimeNs time) { return format_rfc3339(time).substr(0, 10); }

const char* word_of(Verdict verdict) {
    switch (verdict) {
        case Verdict::held: return "ok";
        case Verdict::broken: return "BROKEN";
        case Verdict::unknown: return "UNKNOWN";
    }
    return "";
}

std::string figures_of(const ObjectiveStatus& objective) {
    if (objective.name == "rpo")
        return objective.wanted == 0 ? "" : (objective.found ? format_age(*objective.found) : "none") + " of " + format_age(objective.wanted);
    if (objective.name == "verified") return objective.wanted == 0 ? "" : "within " + format_age(objective.wanted);
    if (objective.name == "errors") return format_count(static_cast<std::uint64_t>(objective.found.value_or(0)));
    return std::to_string(objective.found.value_or(0)) + " of " + std::to_string(objective.wanted);
}

// "copies 2 of 3 BROKEN".
std::string text_of(const ObjectiveStatus& objective) {
    std::string text = objective.name;
    for (char& c : text)
        if (c == '_') c = ' ';
    if (const std::string figures = figures_of(objective); !figures.empty()) text += ' ' + figures;
    return text + ' ' + word_of(objective.verdict);
}

std::string text_of(const CopyStatus& copy, TimeNs now) {
    std::string text = "    " + copy.place.repository + ": ";
    text += copy.point.empty() ? "no restore point" : format_age(now - copy.time) + " old";
    text += ", " + copy.place.medium + ", site " + (copy.place.site.empty() ? "not named" : printable(copy.place.site));
    const char* const locked = copy.is_governance ? ", locked (governance) until " : ", locked until ";
    text += copy.locked_until ? locked + day_of(*copy.locked_until) : ", not locked";
    if (copy.verified) text += ", all data read since " + day_of(*copy.verified);
    else text += copy.check.checked ? ", checked " + day_of(*copy.check.checked) : ", never checked";
    if (copy.check.problems != 0) text += ", " + format_count(copy.check.problems) + " PROBLEMS";
    if (!copy.counts) text += "; does not count: " + printable(copy.why_not);
    return text;
}

void print_source(const SourceStatus& source, TimeNs now) {
    const SourceProtection& one = source.protection;
    print_line(std::string(word_of(one.verdict)) + "  " + one.name + "  " + printable(one.host + ':' + one.identity_name));
    std::string newest = one.point.empty()
                             ? "no good restore point is known"
                             : "last good backup " + one.point.substr(0, 12) + ", " + format_age(now - one.time) + " ago";
    if (one.skipped != 0) newest += ", " + format_count(one.skipped) + " could not be read";
    print_line("  " + newest);
    if (source.last_run == SourceState::failed) print_line("  the last run failed: " + printable(source.error));
    for (const CopyStatus& copy : one.copies) print_line(text_of(copy, now));
    std::string objectives;
    for (const ObjectiveStatus& objective : one.objectives)
        if (objective.is_wanted) objectives += (objectives.empty() ? "" : ", ") + text_of(objective);
    print_line("  " + objectives);
    print_line(std::string("  3-2-1 ") + word_of(one.rule_321) + ", with 1 immutable and 0 errors " + word_of(one.rule_32110));
    for (const ObjectiveStatus& objective : one.objectives)
        if (objective.is_wanted && objective.verdict != Verdict::held && !objective.reason.empty())
            print_line("  " + objective.name + ": " + printable(objective.reason));
}

void print_repository_hints(const StatusResponse& response) {
    for (const auto& [name, facts] : response.repositories) {
        if (!facts.error.empty()) print_warning(name + ": " + printable(facts.error));
        if (facts.measured && facts.recovery_key == RecoveryKey::unconfirmed)
            print_line("to show that somebody has the recovery key of " + name + ": holdfast -r " + name + " key confirm");
        if (facts.measured && facts.recovery_key == RecoveryKey::none)
            print_line("to make a recovery key for " + name + ": holdfast -r " + name + " key recovery");
    }
}

// The plugin API of Nagios has four statuses of its own, and one line of text.
ExitStatus print_nagios(const StatusResponse& response) {
    bool has_warning = !response.warnings.empty();
    std::string worst;
    for (const std::string& warning : response.warnings) worst += (worst.empty() ? "" : "; ") + warning;
    for (const SourceStatus& one : response.sources) {
        const bool is_warning = one.last_run == SourceState::failed || one.protection.skipped != 0;
        has_warning |= is_warning;
        if (one.protection.verdict == Verdict::held && !is_warning) continue;
        worst += (worst.empty() ? "" : "; ") + one.protection.name + ":";
        for (const ObjectiveStatus& objective : one.protection.objectives)
            if (objective.is_wanted && objective.verdict != Verdict::held) worst += ' ' + text_of(objective);
        if (is_warning) worst += one.protection.skipped != 0 ? " not all could be read" : " the last run failed";
    }
    const bool is_held = response.verdict == Verdict::held;
    const int code = response.verdict == Verdict::broken ? 2 : !is_held ? 3 : has_warning ? 1 : 0;
    static constexpr const char* words[] = {"OK", "WARNING", "CRITICAL", "UNKNOWN"};
    std::string line = std::string("HOLDFAST ") + words[code] + " - " + (worst.empty() ? format_count(response.sources.size()) + " sources are protected" : printable(worst)) + " |";
    for (const SourceStatus& one : response.sources) {
        const ObjectiveStatus& rpo = *one.protection.objective("rpo");
        line += " '" + one.protection.name + "_age'=" + (rpo.found ? std::to_string(seconds_of(*rpo.found)) + "s" : "U");
        if (rpo.wanted != 0) line += ";;" + std::to_string(seconds_of(rpo.wanted));
    }
    print_line(line);
    return static_cast<ExitStatus>(code);
}

Result<ExitStatus> print_steps(const std::string& count, const Console& console) {
    std::size_t most = 0;
    if (count.size() > 5 || count.find_first_not_of("0123456789") != std::string::npos || (most = std::stoul(count)) == 0)
        return Error(ErrorCode::invalid_argument, "--runs: a number from 1 to 99,999, not '" + count + "'");
    HF_TRY(const std::vector<RanStep> steps, recent_steps(most));
    Json items = Json::array();
    for (const RanStep& step : steps) {
        if (!console.json) {
            print_line(format_rfc3339(step.time).substr(0, 19) + "Z  " + std::to_string(step.status) + "  " + step.kind + ' ' +
                       (step.source.empty() ? "" : step.source + ' ') + '(' + step.repository + ')' +
                       (step.error.empty() ? "" : ": " + printable(step.error)));
            continue;
        }
        Json& item = items.emplace_back();
        item = {{"time", format_rfc3339(step.time)}, {"kind", step.kind},           {"source", step.source},
                {"repository", step.repository},     {"status", step.status},       {"seconds", step.seconds},
                {"bytes_read", step.bytes_read},     {"bytes_added", step.bytes_added}};
        add_path(item, "error", step.error);
    }
    if (console.json) print_json({{"schema", 1}, {"steps", std::move(items)}});
    return ExitStatus::done;
}

Result<ExitStatus> run(State& state, Console& console) {
    if (!state.steps.empty()) return print_steps(state.steps, console);
    if (state.nagios + state.prometheus + console.json > 1)
        return Error(ErrorCode::invalid_argument, "give one of --nagios, --prometheus and --json");
    state.request.access = console.access;
    auto response = status(state.request);
    // What cannot be found out is UNKNOWN, whatever the reason.
    if (!response.ok() && state.nagios) {
        print_line("HOLDFAST UNKNOWN - " + printable(response.error().describe()));
        return static_cast<ExitStatus>(3);
    }
    if (!response.ok()) return response.error();
    if (state.nagios) return print_nagios(*response);
    for (const std::string& warning : response->warnings) print_warning("warning: " + printable(warning));
    if (console.json) print_json(json_of(*response));
    else if (state.prometheus) std::fputs(metrics_text(*response).c_str(), stdout);
    else if (!console.quiet) {
        for (const SourceStatus& one : response->sources) print_source(one, response->now);
        print_repository_hints(*response);
    }
    return response->verdict == Verdict::held ? ExitStatus::done : ExitStatus::objective_broken;
}

}  // namespace

Command status_command() {
    auto state = std::make_shared<State>();
    Command command;
    command.name = "status";
    command.summary = "whether each source is protected as the configuration wants it: RPO, copies, 3-2-1";
    command.details =
        "Asks all repositories of the configuration. The exit status is 0 when all objectives hold now, and 17 when one is "
        "broken or nobody can tell; with --nagios 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.";
    command.operands = {{"NAME...", "a source, or a policy for all that have it (default: all sources)", &state->request.names, false}};
    command.options = {
        {"--cached", "", "ask no repository: what was found at the last time", &state->request.is_cached, {}},
        {"--nagios", "", "one line and the exit status of a plugin for Nagios and the like", &state->nagios, {}},
        {"--prometheus", "", "metrics in the text format of Prometheus", &state->prometheus, {}},
        {"--runs", "[=N]", "print the last N things that `run` has done (default: 20), the newest first", &state->steps, {}, "20"}};
    command.state = state;
    command.run = [state](Console& console) { return run(*state, console); };
    return command;
}

}  // namespace holdfast
