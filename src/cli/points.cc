// The commands that change what is said of restore points: delete, undelete, hold, release.
#include <nlohmann/json.hpp>

#include "api/point_operations.h"
#include "cli/output.h"
#include "cli/point_options.h"

namespace holdfast {
namespace {

Command points_command(std::string name, std::string summary, PointAction action, std::string done) {
    struct State {
        PointOptions options;
        PointsRequest request;
    };
    auto state = std::make_shared<State>();
    state->request.action = action;
    Command command;
    command.name = std::move(name);
    command.summary = std::move(summary);
    command.operands = {{"POINT...", "ids, unique prefixes, or latest", &state->request.points}};
    command.options = state->options.options();
    if (action == PointAction::hold || action == PointAction::remove)
        command.options.push_back({"--reason", "TEXT", "why", &state->request.reason, {}});
    command.state = state;
    command.run = [state, done](Console& console) -> Result<ExitStatus> {
        state->request.access = console.access;
        HF_TRY(state->request.filter, state->options.filter());
        HF_TRY(const auto points, change_points(state->request));
        nlohmann::json ids = nlohmann::json::array();
        for (const PointSummary& point : points) {
            ids.push_back(point.id);
            if (!console.json && !console.quiet) print_line(done + ' ' + point.id.substr(0, 12));
        }
        if (console.json) print_json({{"schema", 1}, {done, std::move(ids)}});
        return ExitStatus::done;
    };
    return command;
}

}  // namespace

Command delete_command() {
    return points_command(
        "delete", "delete restore points; undelete brings them back until prune reclaims the space",
        PointAction::remove, "deleted");
}
Command undelete_command() {
    return points_command(
        "undelete", "bring deleted restore points back", PointAction::undelete, "undeleted");
}
Command hold_command() {
    return points_command(
        "hold", "protect restore points from deletion and retention", PointAction::hold, "held");
}
Command release_command() {
    return points_command("release", "end a hold", PointAction::release, "released");
}

}  // namespace holdfast
