#include <nlohmann/json.hpp>

#include "api/synthesize_operation.h"
#include "cli/output.h"
#include "cli/point_json.h"
#include "cli/point_options.h"

namespace holdfast {
namespace {

struct State {
    PointOptions points;
    std::string point;
    bool fragmentation = false;
};

std::string text_of(const MarkSummary& mark) {
    const std::string since = "since " + format_rfc3339(mark.time / ns_per_second * ns_per_second);
    return mark.reason.empty() ? since : since + ": " + printable(mark.reason);
}

nlohmann::json json_of(const MarkSummary& mark) {
    return {{"time", format_rfc3339(mark.time)}, {"reason", mark.reason}};
}

void print_text(const ShowResponse& response) {
    const PointSummary& point = response.point;
    const RestorePointRecord& r = point.record;
    const auto line = [](const char* label, const std::string& value) {
        std::string text(label);
        text.resize(16, ' ');
        print_line(text + value);
    };
    line("restore point", point.id);
    line("source", printable(r.source));
    line("host", printable(r.host));
    line("name", printable(r.name));
    line("started", format_rfc3339(r.started));
    line("finished", format_rfc3339(r.finished));
    line("type", std::string(backup_type_name(r.type)));
    if (r.parent != RestorePointId{}) line("parent", r.parent.hex());
    if (r.origin != RestorePointId{}) line("copy of", r.origin.hex());
    for (const std::string& tag : r.tags) line("tag", printable(tag));
    line("files", format_count(r.stats.files));
    line("directories", format_count(r.stats.directories));
    line("others", format_count(r.stats.others));
    line("size", format_bytes(r.stats.content_bytes));
    line("read", format_bytes(r.stats.read_bytes));
    line("skipped", format_count(r.stats.skipped));
    for (const std::string& path : r.skipped_paths) line("  skipped", printable(path));
    line("made by", r.program);
    if (response.held) line("held", text_of(*response.held));
    if (response.deleted) line("deleted", text_of(*response.deleted));
}

Result<ExitStatus> run(const State& state, Console& console) {
    PointRequest request{console.access, {}, state.point};
    HF_TRY(request.filter, state.points.filter());
    HF_TRY(const ShowResponse response, show(request));
    std::optional<FragmentationResponse> scattered;
    if (state.fragmentation) {
        HF_TRY(scattered, fragmentation({request.access, request.filter, request.point}, console.stop));
    }
    if (!console.json) {
        print_text(response);
        if (scattered)
            print_line("fragmentation   " + std::to_string(scattered->percent) + " % of what a full costs to read: " +
                       format_bytes(scattered->needed_bytes) + " in " + format_count(scattered->reads) + " stretches of " +
                       format_count(scattered->containers) + " objects");
        return ExitStatus::done;
    }
    const PointSummary& point = response.point;
    nlohmann::json document = json_of(point);
    document["schema"] = 1;
    document["finished"] = format_rfc3339(point.record.finished);
    if (point.record.parent != RestorePointId{}) document["parent"] = point.record.parent.hex();
    if (point.record.origin != RestorePointId{}) document["origin"] = point.record.origin.hex();
    if (scattered)
        document["fragmentation"] = {{"percent", scattered->percent},
                                     {"bytes", scattered->needed_bytes},
                                     {"stretches", scattered->reads},
                                     {"objects", scattered->containers}};
    if (response.held) document["hold"] = json_of(*response.held);
    if (response.deleted) document["deletion"] = json_of(*response.deleted);
    print_json(document);
    return ExitStatus::done;
}

}  // namespace

Command show_command() {
    auto state = std::make_shared<State>();
    Command command;
    command.name = "show";
    command.summary = "all that is known of a restore point";
    command.operands = {{"POINT", "an id, a unique prefix of one, or latest", &state->point}};
    command.options = {{"--fragmentation", "", "and how scattered it lies in the repository", &state->fragmentation, {}}};
    for (Option& option : state->points.options()) command.options.push_back(std::move(option));
    command.state = state;
    command.run = [state](Console& console) { return run(*state, console); };
    return command;
}

}  // namespace holdfast
