#include "api/version.h"

#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/output.h"

namespace holdfast {

Command version_command() {
    auto show_features = std::make_shared<bool>(false);
    Command command;
    command.name = "version";
    command.summary = "what this program is";
    command.options = {{"--features", "", "what it can do, too", show_features.get(), {}}};
    command.state = show_features;
    command.run = [show_features](Console& console) -> Result<ExitStatus> {
        if (console.json) {
            print_json({{"schema", 1}, {"version", version_text()}, {"features", features()}});
            return ExitStatus::done;
        }
        print_line(std::string("holdfast ") + version_text());
        if (*show_features)
            for (const std::string& feature : features()) print_line("  " + feature);
        return ExitStatus::done;
    };
    return command;
}

}  // namespace holdfast
