#include <nlohmann/json.hpp>

#include "api/browse_operations.h"
#include "cli/output.h"
#include "cli/point_json.h"
#include "cli/point_options.h"

namespace holdfast {
namespace {

struct State {
    PointOptions points;
    bool show_deleted = false;
};

Result<ExitStatus> run(const State& state, Console& console) {
    ListRequest request{console.access, {}, state.show_deleted};
    HF_TRY(request.filter, state.points.filter());
    HF_TRY(const auto points, list(request));
    if (console.json) {
        nlohmann::json array = nlohmann::json::array();
        for (const PointSummary& point : points) array.push_back(json_of(point));
        print_json({{"schema", 1}, {"restore_points", std::move(array)}});
        return ExitStatus::done;
    }
    for (const PointSummary& point : points) {
        const RestorePointRecord& record = point.record;
        std::string line = point.id.substr(0, 12) + "  " +
                           format_rfc3339(record.started / ns_per_second * ns_per_second) + "  " +
                           std::string(backup_type_name(record.type)) + "  " +
                           printable(record.host) + "  " + printable(record.name) + "  " +
                           format_count(record.stats.files) + " files  " +
                           format_bytes(record.stats.content_bytes);
        for (const std::string& tag : record.tags) line += "  #" + printable(tag);
        if (point.is_damaged) line += "  DAMAGED";
        if (point.is_held) line += "  held";
        if (point.is_deleted) line += "  deleted";
        print_line(line);
    }
    if (points.empty() && !console.quiet) print_warning("no restore points");
    return ExitStatus::done;
}

}  // namespace

Command list_command() {
    auto state = std::make_shared<State>();
    Command command;
    command.name = "list";
    command.summary = "list restore points, oldest first";
    command.options = state->points.options();
    command.options.push_back(
        {"--deleted", "", "show deleted restore points too", &state->show_deleted, {}});
    command.state = state;
    command.run = [state](Console& console) { return run(*state, console); };
    return command;
}

}  // namespace holdfast
