#include <nlohmann/json.hpp>

#include "api/configuration.h"
#include "api/configuration_check.h"
#include "cli/command.h"
#include "cli/output.h"

namespace holdfast {
namespace {

nlohmann::json json_of(const ConfigIssue& issue) {
    nlohmann::json document = {{"line", issue.place.line}, {"column", issue.place.column}, {"message", issue.text}};
    add_path(document, "file", issue.place.file);
    return document;
}

Result<ExitStatus> run_check(Console& console) {
    const ConfigurationPlace place = configuration_place(console.access.config_file);
    HF_TRY(const ConfigReading reading, check_configuration(place));
    const Config& config = reading.config;
    if (console.json) {
        nlohmann::json issues = nlohmann::json::array();
        for (const ConfigIssue& issue : reading.issues) issues.push_back(json_of(issue));
        print_json({{"schema", 1}, {"files", config.files}, {"problems", std::move(issues)}});
    } else {
        for (const ConfigIssue& issue : reading.issues) print_warning(printable(issue.describe()));
        if (!console.quiet && config.files.empty()) print_line("there is no configuration: no " + printable(place.file));
        else if (!console.quiet && reading.issues.empty())
            print_line("no problems: " + format_count(config.repositories.size()) + " repositories, " +
                       format_count(config.sources.size()) + " sources, " + format_count(config.policies.size()) +
                       " policies, " + format_count(config.notifications.size()) + " notifications");
    }
    return reading.issues.empty() ? ExitStatus::done : ExitStatus::usage;
}

Result<ExitStatus> run_show(bool with_origin, Console& console) {
    HF_TRY(const ConfigReading reading, read_configuration(configuration_place(console.access.config_file)));
    nlohmann::json values = nlohmann::json::array();
    for (const EffectiveValue& one : effective_values(reading)) {
        if (console.json) values.push_back({{"key", one.path}, {"value", one.value}, {"origin", one.origin}});
        else print_line(one.path + " = " + one.value + (with_origin ? "  # " + printable(one.origin) : ""));
    }
    if (console.json) print_json({{"schema", 1}, {"values", std::move(values)}});
    for (const ConfigIssue& issue : reading.issues) print_warning(printable(issue.describe()));
    return reading.issues.empty() ? ExitStatus::done : ExitStatus::usage;
}

Command check_verb() {
    Command command;
    command.name = "check";
    command.summary = "say all that is wrong with the configuration";
    command.details = "Exit status 2 says that something is.";
    command.run = run_check;
    return command;
}

Command show_verb() {
    auto with_origin = std::make_shared<bool>(false);
    Command command;
    command.name = "show";
    command.summary = "print all values that count, defaults too; of secrets, where they are";
    command.options = {{"--origin", "", "the file and line of each", with_origin.get(), {}}};
    command.state = with_origin;
    command.run = [with_origin](Console& console) { return run_show(*with_origin, console); };
    return command;
}

Command text_verb(const char* name, const char* summary, std::string (*text)()) {
    Command command;
    command.name = name;
    command.summary = summary;
    command.run = [text](Console&) -> Result<ExitStatus> {
        print_line(text());
        return ExitStatus::done;
    };
    return command;
}

}  // namespace

Command config_command() {
    Command command;
    command.name = "config";
    command.summary = "check and show the configuration";
    command.verbs = {check_verb(), show_verb(),
                     text_verb("schema", "print the JSON schema of a configuration", configuration_schema),
                     text_verb("reference", "print a description of all keys, as Markdown", configuration_reference)};
    return command;
}

}  // namespace holdfast
