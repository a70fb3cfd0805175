#include <nlohmann/json.hpp>

#include "api/browse_operations.h"
#include "cli/command.h"
#include "cli/output.h"

namespace holdfast {
namespace {

Result<ExitStatus> run(Console& console) {
    HF_TRY(const UsageResponse response, usage(console.access));
    if (console.json) {
        nlohmann::json folders = nlohmann::json::object();
        for (const auto& [name, folder] : response.folders)
            folders[name] = {{"objects", folder.first}, {"bytes", folder.second}};
        nlohmann::json document = {{"schema", 1},
                                   {"objects", response.objects},
                                   {"bytes", response.bytes},
                                   {"restore_points", response.points},
                                   {"content_bytes", response.content_bytes},
                                   {"folders", std::move(folders)}};
        add_path(document, "repository", response.repository);
        print_json(document);
        return ExitStatus::done;
    }
    print_line(response.repository + ": " + format_bytes(response.bytes) + " in " +
               format_count(response.objects) + " objects, " + format_count(response.points) +
               " restore points of " + format_bytes(response.content_bytes));
    for (const auto& [name, folder] : response.folders) {
        std::string label = "  " + name;
        label.resize(16, ' ');
        print_line(label + format_bytes(folder.second) + " in " + format_count(folder.first) +
                   " objects");
    }
    return ExitStatus::done;
}

}  // namespace

Command usage_command() {
    Command command;
    command.name = "usage";
    command.summary = "what the repository takes";
    command.run = run;
    return command;
}

}  // namespace holdfast
