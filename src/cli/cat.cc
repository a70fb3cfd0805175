#include <unistd.h>

#include "api/browse_operations.h"
#include "base/file_io.h"
#include "cli/point_options.h"

namespace holdfast {

Command cat_command() {
    struct State {
        PointOptions points;
        std::string point;
    };
    auto state = std::make_shared<State>();
    Command command;
    command.name = "cat";
    command.summary = "write one file of a restore point to standard output";
    command.operands = {{"POINT:PATH", "restore point and file", &state->point}};
    command.options = state->points.options();
    command.state = state;
    command.run = [state](Console& console) -> Result<ExitStatus> {
        PointRequest request{console.access, {}, state->point};
        HF_TRY(request.filter, state->points.filter());
        HF_TRY_STATUS(cat(request, [](ByteSpan data) {
            return write_all(STDOUT_FILENO, data, "standard output");
        }));
        return ExitStatus::done;
    };
    return command;
}

}  // namespace holdfast
