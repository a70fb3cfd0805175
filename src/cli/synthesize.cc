#include <nlohmann/json.hpp>

#include "api/synthesize_operation.h"
#include "cli/output.h"
#include "cli/point_options.h"
#include "cli/progress_display.h"

namespace holdfast {
namespace {

struct State {
    PointOptions points;
    std::string point;
};

Result<ExitStatus> run(const State& state, Console& console) {
    SynthesizeRequest request{console.access, {}, state.point};
    HF_TRY(request.filter, state.points.filter());
    Progress progress;
    const auto response = [&] {
        const ProgressDisplay display(console, "synthesize", progress);
        return synthesize(request, progress, console.stop);
    }();
    if (!response.ok()) return response.error();
    if (console.json) {
        print_json({{"schema", 1},
                    {"restore_point", response->point},
                    {"from", response->from},
                    {"chunks", response->chunks},
                    {"bytes_read", response->bytes_read},
                    {"bytes_stored", response->bytes_stored},
                    {"seconds", response->seconds}});
    } else if (!console.quiet) {
        print_line("synthesized restore point " + response->point.substr(0, 12) + " from " +
                   response->from.substr(0, 12) + ": read and proved " + format_count(response->chunks) +
                   " chunks (" + format_bytes(response->bytes_read) + "), stored " +
                   format_bytes(response->bytes_stored));
    }
    return ExitStatus::done;
}

}  // namespace

Command synthesize_command() {
    auto state = std::make_shared<State>();
    Command command;
    command.name = "synthesize";
    command.summary = "make a synthetic full out of a restore point, without reading the source";
    command.details =
        "Reads and proves all that the restore point refers to, and stores it again in the order of a restore: "
        "the new restore point has the same content and time, and restores as fast as a full.";
    command.operands = {{"POINT", "id, unique prefix or `latest`", &state->point}};
    command.options = state->points.options();
    command.state = state;
    command.run = [state](Console& console) { return run(*state, console); };
    return command;
}

}  // namespace holdfast
