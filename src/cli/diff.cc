#include <nlohmann/json.hpp>

#include "cli/exclude_options.h"
#include "cli/output.h"
#include "cli/point_json.h"
#include "cli/point_options.h"

namespace holdfast {
namespace {

struct State {
    PointOptions points;
    std::string first;
    std::optional<std::string> second;
    ExcludeRequest exclude;
    bool live = false;
};

constexpr const char* change_names[] = {"added", "removed", "modified", "metadata"};
constexpr char change_letters[] = "+-MU";

Result<ExitStatus> run(const State& state, Console& console) {
    if (state.live == state.second.has_value())
        return Error(ErrorCode::invalid_argument, "give two restore points, or one and --live");
    DiffRequest request{console.access, {}, state.first, state.second.value_or(""),
                        state.exclude};
    HF_TRY(request.filter, state.points.filter());
    HF_TRY_STATUS(diff(request,
                       [&](Change change, const std::string& path, const Entry& entry) -> Status {
                           const auto kind = static_cast<std::size_t>(change);
                           if (console.json) {
                               nlohmann::json line = json_of(path, entry);
                               line["change"] = change_names[kind];
                               print_json_line(line);
                           } else {
                               print_line(std::string(1, change_letters[kind]) + ' ' + printable(path));
                           }
                           return {};
                       }));
    return ExitStatus::done;
}

}  // namespace

Command diff_command() {
    auto state = std::make_shared<State>();
    Command command;
    command.name = "diff";
    command.summary = "what differs between two restore points, or one and the live source";
    command.details =
        "+ added, - removed, M content changed, U only metadata changed. With --live, content is "
        "compared by size and time, and what the options below leave out does not show: give those of "
        "the backup. Patterns are relative to the directory that is compared.";
    command.operands = {{"POINT[:PATH]", "the older one", &state->first},
                        {"POINT[:PATH]", "the newer one", &state->second, false}};
    command.options = state->points.options();
    command.options.push_back({"--live", "", "compare with the source as it is now", &state->live, {}});
    for (Option& option : exclude_options(state->exclude)) {
        option.help = "with --live: " + option.help;
        command.options.push_back(std::move(option));
    }
    command.state = state;
    command.run = [state](Console& console) { return run(*state, console); };
    return command;
}

}  // namespace holdfast
