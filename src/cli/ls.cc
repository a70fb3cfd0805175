#include <nlohmann/json.hpp>

#include "cli/output.h"
#include "cli/point_json.h"
#include "cli/point_options.h"

namespace holdfast {
namespace {

struct State {
    PointOptions points;
    std::string point;
    bool recursive = false;
    bool details = false;
};

Result<ExitStatus> run(const State& state, Console& console) {
    PointRequest request{console.access, {}, state.point};
    HF_TRY(request.filter, state.points.filter());
    // Without a path the whole restore point is listed, as restic and borg do.
    const bool all = state.recursive || !parse_point_path(state.point).has_path;
    HF_TRY_STATUS(ls(request, all ? Recursion::all : Recursion::children,
                     [&](const std::string& path, const Entry& entry) -> Status {
                         if (console.json) print_json_line(json_of(path, entry));
                         else if (state.details) print_line(describe(entry) + ' ' + printable(path));
                         else print_line(printable(path));
                         return {};
                     }));
    return ExitStatus::done;
}

}  // namespace

Command ls_command() {
    auto state = std::make_shared<State>();
    Command command;
    command.name = "ls";
    command.summary = "list the files of a restore point, or of a directory in it";
    command.operands = {{"POINT[:PATH]", "restore point, and a path in it", &state->point}};
    command.options = state->points.options();
    command.options.push_back(
        {"-R,--recursive", "", "what is below, too (the default without a path)", &state->recursive, {}});
    command.options.push_back({"-l,--long", "", "mode, owner, size and time", &state->details, {}});
    command.state = state;
    command.run = [state](Console& console) { return run(*state, console); };
    return command;
}

}  // namespace holdfast
