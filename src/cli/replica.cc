#include <nlohmann/json.hpp>

#include "api/replica_operations.h"
#include "cli/command.h"
#include "cli/output.h"

namespace holdfast {
namespace {

using Json = nlohmann::json;

struct CreateState {
    CreateReplicaRequest request;
};
struct RunState {
    RunReplicasRequest request;
};
struct StatusState {
    ReplicaStatusRequest request;
};
struct NameState {
    std::string name;
};

std::string format_seconds(double seconds) {
    char text[64];
    if (seconds < 600) static_cast<void>(std::snprintf(text, sizeof text, "%.1f s", seconds));
    else if (seconds < 172'800) static_cast<void>(std::snprintf(text, sizeof text, "%.1f h", seconds / 3600));
    else static_cast<void>(std::snprintf(text, sizeof text, "%.1f d", seconds / 86'400));
    return text;
}

Result<ExitStatus> run_create(CreateState& state, Console& console) {
    state.request.access = console.access;
    HF_TRY(const CreateReplicaResponse made, create_replica(state.request));
    if (console.json) {
        print_json({{"schema", 1}, {"name", made.name}, {"source", made.source}, {"target", made.target}});
    } else if (!console.quiet) {
        print_line("replica " + made.name + ": " + printable(made.target) + " is to follow " + printable(made.source));
        print_line("to do: holdfast replica run " + made.name);
    }
    return ExitStatus::done;
}

void print_event(const ReplicaEvent& event, const Console& console) {
    const std::string name = "replica " + event.name + ": ";
    if (!event.error.empty()) print_warning(name + printable(event.error));
    if (console.quiet || console.json || event.applied == 0) return;
    print_line(name + format_count(event.listed) + " versions listed, " + format_count(event.applied) + " put" +
               (event.failed == 0 ? "" : ", " + format_count(event.failed) + " failed") +
               (event.pending == 0 ? "" : ", " + format_count(event.pending) + " wait"));
    std::fflush(stdout);
}

Result<ExitStatus> run_run(RunState& state, Console& console) {
    state.request.access = console.access;
    state.request.on_event = [&console](const ReplicaEvent& event) { print_event(event, console); };
    HF_TRY(const std::vector<RunReplicaResult> results, run_replicas(state.request));
    std::vector<ExitStatus> statuses;
    Json replicas = Json::array();
    for (const RunReplicaResult& one : results) {
        statuses.push_back(one.status);
        Json& replica = replicas.emplace_back();
        replica = {{"name", one.name},
                   {"status", static_cast<int>(one.status)},
                   {"applied", one.applied},
                   {"pending", one.pending}};
        add_path(replica, "error", one.error);
        if (one.status != ExitStatus::done) print_warning("replica " + one.name + ": " + printable(one.error));
        else if (!console.quiet && !console.json)
            print_line("replica " + one.name + ": " + format_count(one.applied) + " versions put, " +
                       format_count(one.pending) + " wait");
    }
    if (console.json) print_json({{"schema", 1}, {"replicas", std::move(replicas)}});
    return worst_status(statuses);
}

Json json_of(const ReplicaStatus& status) {
    const ReplicaFigures& figures = status.figures;
    Json document = {{"name", status.name},
                     {"source", status.source},
                     {"target", status.target},
                     {"condition", replica_condition_name(status.condition)},
                     {"passes", figures.passes},
                     {"listed_versions", figures.listed_versions},
                     {"listing_seconds", figures.listing_seconds},
                     {"applied_versions", figures.applied},
                     {"applied_bytes", figures.applied_bytes},
                     {"pending_versions", figures.pending},
                     {"pending_bytes", figures.pending_bytes},
                     {"failed_keys", figures.failed_keys},
                     {"gone_versions", figures.gone},
                     {"left_out_versions", figures.left_out},
                     {"delay_mean_seconds", figures.delay_mean_seconds},
                     {"delay_max_seconds", figures.delay_max_seconds}};
    document["lag_seconds"] = status.lag_seconds ? Json(*status.lag_seconds) : Json();
    document["rpo_seconds"] = status.rpo_seconds ? Json(*status.rpo_seconds) : Json();
    document["consistent_to"] = status.consistent_to ? Json(format_rfc3339(*status.consistent_to)) : Json();
    add_path(document, "error", figures.error.empty() ? figures.failure : figures.error);
    add_path(document, "failed_key", figures.failed_key);
    return document;
}

void print_status(const ReplicaStatus& status) {
    const ReplicaFigures& figures = status.figures;
    print_line(status.name + ": " + std::string(replica_condition_name(status.condition)) + ", " +
               printable(status.source) + " -> " + printable(status.target));
    std::string lag = status.lag_seconds ? format_seconds(*status.lag_seconds) : "not known before the first pass is done";
    if (status.rpo_seconds) lag += " (objective: " + format_seconds(*status.rpo_seconds) + ")";
    print_line("  behind:  " + lag);
    if (status.consistent_to) print_line("  up to:   " + format_rfc3339(*status.consistent_to));
    print_line("  waiting: " + format_count(figures.pending) + " versions, " + format_bytes(figures.pending_bytes));
    print_line("  put:     " + format_count(figures.applied) + " versions, " + format_bytes(figures.applied_bytes) +
               "; of the last 1,000, " + format_seconds(figures.delay_mean_seconds) + " after the change on average, " +
               format_seconds(figures.delay_max_seconds) + " at most");
    print_line("  listing: " + format_count(figures.listed_versions) + " versions in " + format_seconds(figures.listing_seconds));
    if (figures.left_out != 0)
        print_line("  left out: " + format_count(figures.left_out) + " versions that came behind newer ones");
    if (figures.failed_keys != 0)
        print_line("  failing: " + format_count(figures.failed_keys) + " keys, such as " + printable(figures.failed_key) + ": " +
                   printable(figures.failure));
    if (!figures.error.empty()) print_line("  error:   " + printable(figures.error));
}

Result<ExitStatus> run_status(StatusState& state, Console& console) {
    state.request.access = console.access;
    HF_TRY(const std::vector<ReplicaStatus> statuses, replica_status(state.request));
    Json replicas = Json::array();
    bool is_broken = false;
    for (const ReplicaStatus& one : statuses) {
        is_broken = is_broken || one.is_broken();
        if (console.json) replicas.push_back(json_of(one));
        else if (!console.quiet) print_status(one);
    }
    if (console.json) print_json({{"schema", 1}, {"replicas", std::move(replicas)}});
    return is_broken ? ExitStatus::objective_broken : ExitStatus::done;
}

Result<ExitStatus> run_check(const NameState& state, Console& console) {
    HF_TRY(const ReplicaCheckReport report, check_replica_named(console.access, state.name));
    Json differences = Json::array();
    for (const ReplicaDifference& one : report.differences) {
        if (!console.json) print_warning(printable(one.key) + (one.version.empty() ? "" : " " + one.version) + ": " + one.what);
        Json& difference = differences.emplace_back();
        difference = {{"version", one.version}, {"what", one.what}};
        add_path(difference, "key", one.key);
    }
    if (console.json)
        print_json({{"schema", 1},
                    {"name", state.name},
                    {"versions", report.versions},
                    {"equal", report.equal},
                    {"kept", report.kept},
                    {"other_etags", report.other_etags},
                    {"differences", report.difference_count},
                    {"first_differences", std::move(differences)}});
    else if (!console.quiet)
        print_line(format_count(report.versions) + " versions, " + format_count(report.equal) + " equal, " +
                   format_count(report.difference_count) + " differences; the target keeps " + format_count(report.kept) +
                   " that the source no longer has");
    return report.difference_count == 0 ? ExitStatus::done : ExitStatus::damaged;
}

Command create_verb() {
    auto state = std::make_shared<CreateState>();
    CreateReplicaRequest& request = state->request;
    Command command;
    command.name = "create";
    command.summary = "have a bucket follow another one";
    command.details =
        "Both keep versions; a target that is missing is made, with object lock where the source has it. Buckets are given "
        "as s3://BUCKET/PREFIX?endpoint=URL. A [replica.NAME] of the configuration needs no create.";
    command.operands = {{"SOURCE", "the bucket that is replicated", &request.source},
                        {"TARGET", "the bucket that is to follow it", &request.target}};
    command.options = {
        {"--name", "NAME", "its name (default: that of the target's bucket)", &request.name, {}},
        {"--source-profile", "PROFILE", "credentials of the source, in ~/.aws/credentials", &request.source_profile, {}},
        {"--target-profile", "PROFILE", "credentials of the target", &request.target_profile, {}},
        {"--source-ca-file", "FILE", "certificates that the source is trusted by", &request.source_ca_file, {}},
        {"--target-ca-file", "FILE", "certificates that the target is trusted by", &request.target_ca_file, {}},
        {"--rpo", "TIME", "how far it may be behind, such as 5m: what status compares with", &request.rpo, {}},
        {"--interval", "TIME", "from the end of a listing to the next (default: what the last one took, at least 1s)",
         &request.interval, {}},
        {"--enable-versioning", "", "switch versions on where a bucket keeps none", &request.enable_versioning, {}}};
    command.state = state;
    command.run = [state](Console& console) { return run_create(*state, console); };
    return command;
}

Command run_verb() {
    auto state = std::make_shared<RunState>();
    Command command;
    command.name = "run";
    command.summary = "put what the target lacks, again and again until it is ended";
    command.details = "SIGTERM and SIGINT end it with status 0, or with --once as they end everything else.";
    command.operands = {{"NAME...", "replicas (default: all)", &state->request.names, false}};
    command.options = {{"--once", "", "end when nothing is missing", &state->request.once, {}}};
    command.state = state;
    command.run = [state](Console& console) { return run_run(*state, console); };
    return command;
}

Command status_verb() {
    auto state = std::make_shared<StatusState>();
    Command command;
    command.name = "status";
    command.summary = "how far targets are behind";
    command.details = "The exit status is 17 when one is further behind than its objective, paused, or failing.";
    command.operands = {{"NAME...", "replicas (default: all)", &state->request.names, false}};
    command.options = {{"--rpo", "TIME", "how far they may be behind (default: as each has it)", &state->request.rpo, {}}};
    command.state = state;
    command.run = [state](Console& console) { return run_status(*state, console); };
    return command;
}

Command name_verb(const char* name,
                  const char* summary,
                  const char* details,
                  std::function<Result<ExitStatus>(const NameState&, Console&)> run) {
    auto state = std::make_shared<NameState>();
    Command command;
    command.name = name;
    command.summary = summary;
    command.details = details;
    command.operands = {{"NAME", "a replica", &state->name}};
    command.state = state;
    command.run = [state, run = std::move(run)](Console& console) { return run(*state, console); };
    return command;
}

Command change_verb(const char* name, const char* summary, Status (*change)(const AccessRequest&, const std::string&)) {
    return name_verb(name, summary, "", [change](const NameState& state, Console& console) -> Result<ExitStatus> {
        HF_TRY_STATUS(change(console.access, state.name));
        if (console.json) print_json({{"schema", 1}, {"name", state.name}});
        return ExitStatus::done;
    });
}

}  // namespace

Command replica_command() {
    Command command;
    command.name = "replica";
    command.summary = "have buckets follow others, version by version";
    command.verbs = {
        create_verb(),
        run_verb(),
        status_verb(),
        name_verb("check", "list both sides and compare them",
                  "Versions, marks of deletion, their order, sizes, ETags and locks. The exit status is 13 when they differ.",
                  run_check),
        change_verb("pause", "put nothing more, until it is resumed", pause_replica),
        change_verb("resume", "go on with a replica that was paused", resume_replica),
        change_verb("remove", "forget a replica; no object is touched", remove_replica)};
    return command;
}

}  // namespace holdfast
