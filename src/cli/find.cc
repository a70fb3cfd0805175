#include <nlohmann/json.hpp>

#include "cli/output.h"
#include "cli/point_json.h"
#include "cli/point_options.h"

namespace holdfast {
namespace {

struct State {
    PointOptions points;
    std::string pattern;
    std::vector<std::string> in;
};

Result<ExitStatus> run(const State& state, Console& console) {
    FindRequest request{console.access, {}, state.in, state.pattern};
    HF_TRY(request.filter, state.points.filter());
    HF_TRY_STATUS(find(request,
                       [&](const PointSummary& point, const std::string& path,
                           const Entry& entry) -> Status {
                           if (console.json) {
                               nlohmann::json line = json_of(path, entry);
                               line["restore_point"] = point.id;
                               add_identity(line, point.record);
                               print_json_line(line);
                           } else {
                               // What is printed, `restore` accepts.
                               print_line(point.id.substr(0, 12) + ":/" + printable(path));
                           }
                           return {};
                       }));
    return ExitStatus::done;
}

}  // namespace

Command find_command() {
    auto state = std::make_shared<State>();
    Command command;
    command.name = "find";
    command.summary = "find files by name in restore points";
    command.details = "PATTERN is a shell pattern of a name, or of a path if it has a slash.";
    command.operands = {{"PATTERN", "such as '*.conf' or 'etc/*/hosts'", &state->pattern}};
    command.options = state->points.options();
    command.options.push_back(
        {"--in", "POINT", "search this restore point (repeatable; default: all)", &state->in, {}});
    command.state = state;
    command.run = [state](Console& console) { return run(*state, console); };
    return command;
}

}  // namespace holdfast
