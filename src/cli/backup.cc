#include <nlohmann/json.hpp>

#include "api/backup_operation.h"
#include "cli/exclude_options.h"
#include "cli/output.h"
#include "cli/progress_display.h"

namespace holdfast {
namespace {

struct State {
    BackupRequest request;
    std::optional<std::string> time;
    bool from_command = false;
};

std::vector<Option> options_of(State& state) {
    BackupRequest& r = state.request;
    std::vector<Option> options = {
        {"-t,--type", "TYPE", "what is read: full, incremental (the default), differential", &r.type,
         {"full", "incremental", "differential"}},
        {"--host", "HOST", "host of the identity (default: this host)", &r.host, {}},
        {"--name", "NAME", "name of the identity (default: the path)", &r.name, {}},
        {"--tag", "TAG", "a tag of the restore point (repeatable)", &r.tags, {}},
        {"--time", "TIME", "time of the restore point (default: now)", &state.time, {}}};
    for (Option& option : exclude_options(r.exclude)) options.push_back(std::move(option));
    const std::vector<Option> rest = {
        {"--files-from0", "FILE",
         "only these paths below the source, each ended by a NUL byte (- for standard input)",
         &r.files_from0, {}},
        {"--stdin-name", "NAME", "back up standard input as a file of this name", &r.stdin_name, {}},
        {"--stdin-from-command", "", "the operands are a command; back up what it prints",
         &state.from_command, {}},
        {"--compression", "LEVEL", "fast, standard (the default), small", &r.compression,
         {"fast", "standard", "small"}},
        {"-n,--dry-run", "", "store nothing, say what would be read", &r.dry_run, {}}};
    options.insert(options.end(), rest.begin(), rest.end());
    return options;
}

nlohmann::json json_of(const BackupResponse& response) {
    nlohmann::json sources = nlohmann::json::array();
    for (const BackupSourceResponse& one : response.sources) {
        nlohmann::json& source = sources.emplace_back();
        source = {{"restore_point", one.restore_point},
                  {"type", one.type},
                  {"partial", one.is_partial},
                  {"files", one.files},
                  {"directories", one.directories},
                  {"bytes_scanned", one.bytes_scanned},
                  {"bytes_read", one.bytes_read},
                  {"bytes_again", one.bytes_again},
                  {"bytes_added", one.bytes_added},
                  {"skipped", one.skipped},
                  {"seconds", one.seconds}};
        add_path(source, "source", one.source);
        add_path(source, "host", one.host);
        add_path(source, "name", one.name);
    }
    nlohmann::json document = {{"schema", 1}, {"sources", std::move(sources)}};
    if (response.created) {
        nlohmann::json& created = document["created"];
        created = {{"repository_id", response.created->repository_id},
                   {"recovery_key", response.created->recovery_key}};
        add_path(created, "repository", response.created->repository);
        add_path(created, "key_file", response.created->key_file);
    }
    return document;
}

void print_created(const InitResponse& made) {
    print_line("made the embedded repository at " + made.repository);
    if (!made.key_file.empty()) print_line("key file:      " + made.key_file);
    print_line("recovery key:  " + made.recovery_key);
    print_line("Both are on this machine's disk: keep the recovery key elsewhere, and a copy of the");
    print_line("repository too (a backup on the source's own disk does not survive that disk).");
    print_line("");
    std::fflush(stdout);
}

void print_text(const BackupSourceResponse& one) {
    char seconds[32];
    std::snprintf(seconds, sizeof seconds, "%.1f s", one.seconds);
    const std::string point = one.restore_point.empty() ? "dry run"
                              : one.is_partial ? "interrupted, kept for the next backup"
                                               : one.type + " " + one.restore_point.substr(0, 12);
    const std::string again =
        one.bytes_again == 0 ? "" : " (" + format_bytes(one.bytes_again) + " to store it again)";
    print_line(printable(one.name) + ": " + point + ", " + format_count(one.files) + " files, " +
               format_bytes(one.bytes_scanned) + ", read " + format_bytes(one.bytes_read) + again +
               ", added " + format_bytes(one.bytes_added) + ", " + seconds);
}

Result<ExitStatus> run(State& state, Console& console) {
    BackupRequest& request = state.request;
    request.access = console.access;
    if (state.from_command) {
        request.stdin_command = std::move(request.sources);
        request.sources.clear();
        if (request.stdin_command.empty())
            return Error(ErrorCode::invalid_argument, "--stdin-from-command needs a command");
    }
    if (state.time) {
        HF_TRY(request.time, parse_rfc3339(*state.time));
    }
    // At once: whoever kills the backup afterwards must have seen the recovery key.
    if (!console.json) request.on_created = print_created;
    BackupResponse response;
    Progress progress;
    Status done;
    {
        const ProgressDisplay display(console, "backup", progress);
        request.shows_progress = display.is_on();
        done = backup(request, response, progress, console.stop);
    }
    std::uint64_t skipped = 0;
    for (const BackupSourceResponse& one : response.sources) {
        skipped += one.skipped;
        for (const std::string& problem : one.problems) print_warning("skipped: " + printable(problem));
    }
    if (console.json) {
        print_json(json_of(response));
    } else {
        if (!console.quiet)
            for (const BackupSourceResponse& one : response.sources) print_text(one);
    }
    if (!done.ok()) return std::move(done).error();
    return skipped == 0 ? ExitStatus::done : ExitStatus::incomplete;
}

}  // namespace

Command backup_command() {
    auto state = std::make_shared<State>();
    Command command;
    command.name = "backup";
    command.summary = "back up each source into a restore point of its own";
    command.details =
        "Exit status 3 says that the restore point was made, but something of the source could not "
        "be read.";
    command.operands = {{"SOURCE", "a path, files:PATH, or s3://BUCKET/PREFIX?endpoint=URL", &state->request.sources, false}};
    command.options = options_of(*state);
    command.state = state;
    command.run = [state](Console& console) { return run(*state, console); };
    return command;
}

}  // namespace holdfast
