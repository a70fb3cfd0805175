#include <nlohmann/json.hpp>

#include "api/repair_operation.h"
#include "cli/command.h"
#include "cli/output.h"
#include "cli/progress_display.h"

namespace holdfast {
namespace {

struct State {
    RepairRequest request;
    std::optional<std::string> key_file, passphrase_file;
};

nlohmann::json json_of(const RepairResponse& r, bool dry_run) {
    return {{"schema", 1},
            {"dry_run", dry_run},
            {"objects", r.objects},
            {"bytes_read", r.bytes_read},
            {"mended", r.mended},
            {"beyond_mending", r.beyond_mending},
            {"frozen", r.frozen_objects},
            {"indexed_packs", r.indexed_packs},
            {"salvaged_chunks", r.salvaged_chunks},
            {"lost_chunks", r.lost_chunks},
            {"fetched_chunks", r.fetched_chunks},
            {"problems", r.problem_count},
            {"problem_texts", r.problems},
            {"incomplete_restore_points", r.incomplete_points},
            {"seconds", r.seconds}};
}

void print_objects(const RepairResponse& r, bool dry_run) {
    for (const std::string& name : r.mended)
        print_line((dry_run ? "would mend " : "mended ") + printable(name));
    for (const std::string& name : r.beyond_mending)
        print_warning("beyond mending: " + printable(name));
    for (const std::string& problem : r.problems) print_warning("lost: " + printable(problem));
    for (const std::string& point : r.incomplete_points)
        print_warning("restore point " + point.substr(0, 12) + " is incomplete");
}

void print_sum(const RepairResponse& r, bool dry_run) {
    const std::string would = dry_run ? "would be " : "";
    std::string line = format_count(r.objects) + " objects read (" + format_bytes(r.bytes_read) + "), " +
                       format_count(r.mended.size()) + ' ' + would + "mended";
    if (r.indexed_packs != 0)
        line += ", " + format_count(r.indexed_packs) + " packs " + would + "indexed again";
    if (r.salvaged_chunks != 0)
        line += ", " + format_count(r.salvaged_chunks) + " chunks " + would + "salvaged";
    if (r.lost_chunks != 0) line += ", " + format_count(r.lost_chunks) + " chunks lost";
    if (r.fetched_chunks != 0)
        line += ", " + format_count(r.fetched_chunks) + " chunks " + would +
                "taken from the other repository";
    if (r.frozen_objects != 0)
        line += ", " + format_count(r.frozen_objects) + " frozen in an archive class and not read";
    print_line(line);
    if (!r.incomplete_points.empty())
        print_line("The next backup of each source reads it whole, and stores again what it still has of "
                   "what is lost; run repair again then.");
    else if (!dry_run && r.problem_count == 0)
        print_line(r.frozen_objects == 0 ? "the repository is whole" : "what could be read is whole");
}

Result<ExitStatus> run(State& state, Console& console) {
    RepairRequest& request = state.request;
    request.access = console.access;
    request.from_access.config_file = console.access.config_file;
    request.from_access.key_file = state.key_file;
    request.from_access.passphrase_file = state.passphrase_file;
    Progress progress;
    const auto response = [&] {
        const ProgressDisplay display(console, "repair", progress);
        return repair(request, progress, console.stop);
    }();
    if (!response.ok()) return response.error();
    if (console.json) {
        print_json(json_of(*response, request.dry_run));
    } else {
        print_objects(*response, request.dry_run);
        if (!console.quiet) print_sum(*response, request.dry_run);
    }
    return response->problem_count == 0 ? ExitStatus::done : ExitStatus::damaged;
}

}  // namespace

Command repair_command() {
    auto state = std::make_shared<State>();
    Command command;
    command.name = "repair";
    command.summary = "mend a damaged repository, and name what is lost";
    command.details =
        "Reads every object. Damaged bytes come back from parity and second copies, the index from the packs, "
        "lost chunks from another repository. Backups may go on meanwhile.";
    command.options = {
        {"--from", "REPOSITORY", "take what is lost from this one, made with `init --like`",
         &state->request.from, {}},
        {"--from-key-file", "FILE", "key file of the repository given by --from", &state->key_file, {}},
        {"--from-passphrase-file", "FILE", "passphrase file of the repository given by --from",
         &state->passphrase_file, {}},
        {"-n,--dry-run", "", "say what would be done, and do nothing", &state->request.dry_run, {}}};
    command.state = state;
    command.run = [state](Console& console) { return run(*state, console); };
    return command;
}

}  // namespace holdfast
