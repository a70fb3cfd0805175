#include <nlohmann/json.hpp>

#include "api/copy_operation.h"
#include "cli/output.h"
#include "cli/point_options.h"
#include "cli/progress_display.h"

namespace holdfast {
namespace {

struct State {
    PointOptions points;
    CopyRequest request;
    std::optional<std::string> to;
};

nlohmann::json json_of(const CopyResponse& response) {
    nlohmann::json copied = nlohmann::json::array();
    for (const CopiedPoint& one : response.copied) {
        nlohmann::json& point = copied.emplace_back();
        point = {{"restore_point", one.point},
                 {"time", format_rfc3339(one.time)},
                 {"chunks", one.chunks},
                 {"bytes_read", one.bytes_read},
                 {"bytes_stored", one.bytes_stored}};
        if (!one.copy.empty()) point["copy"] = one.copy;
        add_path(point, "host", one.host);
        add_path(point, "name", one.name);
    }
    return {{"schema", 1},
            {"to", response.to},
            {"copied", std::move(copied)},
            {"present", response.present},
            {"seconds", response.seconds}};
}

void print_text(const CopyResponse& response, bool is_dry) {
    std::uint64_t read = 0, stored = 0;
    for (const CopiedPoint& one : response.copied) {
        print_line((is_dry ? "would copy " : "copied ") + one.point.substr(0, 12) + "  " + format_rfc3339(one.time) + "  " +
                   printable(one.host) + "  " + printable(one.name) +
                   (is_dry ? "" : ": " + one.copy.substr(0, 12) + ", added " + format_bytes(one.bytes_stored)));
        read += one.bytes_read;
        stored += one.bytes_stored;
    }
    print_line((is_dry ? "to copy: " : "copied: ") + format_count(response.copied.size()) + " restore points to " +
               response.to + ", " + format_count(response.present) + " are there already" +
               (is_dry ? "" : "; read " + format_bytes(read) + ", added " + format_bytes(stored)));
}

Result<ExitStatus> run(State& state, Console& console) {
    CopyRequest& request = state.request;
    if (!state.to) return Error(ErrorCode::invalid_argument, "copy needs --to REPOSITORY");
    request.access = console.access;
    request.to.repository = state.to;
    request.to.is_other = true;
    request.to.config_file = console.access.config_file;
    request.to.cache_directory = console.access.cache_directory;
    request.to.ca_file = console.access.ca_file;
    request.to.limit_upload = console.access.limit_upload;
    request.to.stop = console.stop;
    HF_TRY(request.filter, state.points.filter());
    CopyResponse response;
    Progress progress;
    Status done;
    {
        const ProgressDisplay display(console, "copy", progress);
        done = copy(request, response, progress, console.stop);
    }
    if (console.json) {
        if (done.ok()) print_json(json_of(response));
    } else if (!console.quiet && (done.ok() || !response.copied.empty())) {
        print_text(response, request.dry_run);
    }
    if (!done.ok()) return std::move(done).error();
    return ExitStatus::done;
}

}  // namespace

Command copy_command() {
    auto state = std::make_shared<State>();
    Command command;
    command.name = "copy";
    command.summary = "copy restore points into another repository";
    command.details =
        "Without a restore point all are copied. What the other repository has is not copied again; each chunk is "
        "proven before it is stored. A repository made with `init --like` shares its chunks with what is backed up "
        "into it directly.";
    command.operands = {{"POINT...", "ids, unique prefixes, or latest (default: all)", &state->request.points, false}};
    command.options = {
        {"--to", "REPOSITORY", "where to", &state->to, {}},
        {"--to-key-file", "FILE", "key file of that repository (default: the one that init made)",
         &state->request.to.key_file, {}},
        {"--to-passphrase-file", "FILE", "file whose first line is its passphrase", &state->request.to.passphrase_file,
         {}},
        {"--to-passphrase-command", "COMMAND", "command that prints it", &state->request.to.passphrase_command, {}}};
    for (Option& option : state->points.options()) command.options.push_back(std::move(option));
    command.options.push_back({"-n,--dry-run", "", "copy nothing, say what would be", &state->request.dry_run, {}});
    command.state = state;
    command.run = [state](Console& console) { return run(*state, console); };
    return command;
}

}  // namespace holdfast
