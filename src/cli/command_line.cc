// From the table of commands to CLI11, and from outcomes to exit statuses. The only file that knows
// CLI11, because it takes long to compile.
#include <CLI/CLI.hpp>

#include "api/version.h"
#include "cli/command.h"
#include "cli/output.h"
#include "cli/unknown_verb.h"

namespace holdfast {
namespace {

struct Globals {
    std::string progress = "auto";
    bool show_version = false;
};

template <typename... F>
struct Overloaded : F... {
    using F::operator()...;
};
template <typename... F>
Overloaded(F...) -> Overloaded<F...>;

void add_option(CLI::App& app, const Option& option) {
    CLI::Option* added = std::visit(
        Overloaded{
            [&](bool* target) { return app.add_flag(option.names, *target, option.help); },
            [&](std::string* target) {
                return option.implied.empty() ? app.add_option(option.names, *target, option.help)
                                              : app.add_flag(option.names, *target, option.help);
            },
            [&](auto* target) { return app.add_option(option.names, *target, option.help); }},
        option.target);
    if (!option.value_name.empty()) added->option_text(option.value_name);
    if (!option.implied.empty()) {
        // CLI11 says "true" where nothing is given.
        added->transform([implied = option.implied](const std::string& value) {
            return value == "true" ? implied : value;
        });
    }
    if (!option.choices.empty()) added->check(CLI::IsMember(option.choices));
    if (std::holds_alternative<std::vector<std::string>*>(option.target))
        added->allow_extra_args(false)->take_all();
}

void add_operand(CLI::App& app, const Operand& operand, std::size_t number) {
    // CLI11 wants a plain word, once: POINT[:PATH] becomes POINT, a second one POINT2.
    std::string name = operand.name.substr(0, operand.name.find_first_of("[:."));
    if (number > 1) name += std::to_string(number);
    CLI::Option* added = std::visit(
        Overloaded{
            [&](bool*) -> CLI::Option* { return nullptr; },
            [&](auto* target) { return app.add_option(name, *target, operand.help); }},
        operand.target);
    HF_CHECK(added != nullptr);
    added->option_text(operand.name);
    if (operand.is_required) added->required();
}

void add_command(CLI::App& parent, const Command& command) {
    CLI::App* app = parent.add_subcommand(command.name, command.summary);
    if (!command.details.empty()) app->footer(command.details);
    app->fallthrough();
    std::size_t number = 0;
    for (const Operand& operand : command.operands) add_operand(*app, operand, ++number);
    for (const Option& option : command.options) add_option(*app, option);
    for (const Command& verb : command.verbs) add_command(*app, verb);
    if (!command.verbs.empty()) app->require_subcommand(1);
    // What a command runs is itself a command line: its own options are not ours.
    if (command.name == "backup") app->positionals_at_end(false);
}

const Command* parsed_command(const CLI::App& app, const std::vector<Command>& commands) {
    for (const Command& command : commands) {
        if (!app.got_subcommand(command.name)) continue;
        if (command.verbs.empty()) return &command;
        return parsed_command(*app.get_subcommand(command.name), command.verbs);
    }
    return nullptr;
}

ProgressMode progress_mode(const std::string& name) {
    if (name == "bar") return ProgressMode::bar;
    if (name == "json") return ProgressMode::json;
    if (name == "none") return ProgressMode::none;
    return ProgressMode::automatic;
}

}  // namespace

std::vector<Option> global_options(Console& console, std::string& progress) {
    AccessRequest& access = console.access;
    return {
        {"-r,--repository", "REPOSITORY",
         "path, URL, or a name of the configuration (HOLDFAST_REPOSITORY; default: this user's embedded repository)",
         &access.repository, {}},
        {"--key-file", "FILE", "key file, or a file with a recovery key (HOLDFAST_KEY_FILE)",
         &access.key_file, {}},
        {"--passphrase-file", "FILE", "file whose first line is the passphrase (HOLDFAST_PASSPHRASE_FILE)",
         &access.passphrase_file, {}},
        {"--passphrase-command", "COMMAND",
         "command that prints the passphrase (HOLDFAST_PASSPHRASE_COMMAND)",
         &access.passphrase_command, {}},
        {"--config", "FILE", "the configuration (HOLDFAST_CONFIG; default: holdfast.toml in /etc/holdfast, or ~/.config/holdfast)",
         &access.config_file, {}},
        {"--cache-dir", "PATH", "where caches are (HOLDFAST_CACHE_DIR)", &access.cache_directory, {}},
        {"--ca-file", "FILE", "certificates that a storage is trusted by (HOLDFAST_CA_FILE; default: the system's)",
         &access.ca_file, {}},
        {"--limit-upload", "RATE", "bytes a second that are written to the storage, such as 2M", &access.limit_upload,
         {}},
        {"--limit-download", "RATE", "bytes a second that are read from it", &access.limit_download, {}},
        {"--json", "", "results, and errors, as JSON", &console.json, {}},
        {"-q,--quiet", "", "only warnings and errors", &console.quiet, {}},
        {"--progress", "HOW", "auto (a bar on a terminal), bar, json, none", &progress,
         {"auto", "bar", "json", "none"}}};
}

namespace {

void configure(CLI::App& app,
               const std::vector<Command>& commands,
               const std::vector<Option>& globals) {
    app.name("holdfast");
    app.footer("Exit status:\n  " + exit_status_list("\n  ") + "\n\nManual: holdfast man | man -l -");
    for (const Option& option : globals) add_option(app, option);
    for (const Command& command : commands) add_command(app, command);
}

// Whether --json stands anywhere: errors of parsing are JSON then, too.
bool wants_json(int argc, char** argv) {
    for (int i = 1; i < argc; ++i)
        if (std::string_view(argv[i]) == "--json") return true;
    return false;
}

// A word where the verb should be says more than the parser does.
Error usage_error(const CLI::App& app,
                  const std::vector<Command>& commands,
                  const CLI::ParseError& error) {
    const std::vector<std::string> words = app.remaining();
    const bool is_word = !words.empty() && !words.front().starts_with('-');
    const auto parsed = app.get_subcommands();
    if (is_word && parsed.empty()) return unknown_verb(words.front(), commands);
    if (is_word && parsed.size() == 1)
        for (const Command& command : commands)
            if (command.name == parsed.front()->get_name() && !command.verbs.empty() &&
                parsed.front()->get_subcommands().empty())
                return unknown_verb(words.front(), command.verbs);
    return {ErrorCode::invalid_argument, error.what()};
}

}  // namespace

int run_command_line(int argc, char** argv, std::stop_token stop) {
    Console console;
    console.stop = std::move(stop);
    console.access.stop = console.stop;
    Globals globals;
    const std::vector<Command> commands = all_commands();
    CLI::App app("Backs up files, and proves that they can be restored.");
    configure(app, commands, global_options(console, globals.progress));
    app.add_flag("-V,--version", globals.show_version, "print the version");
    try {
        app.parse(argc, argv);
    } catch (const CLI::CallForHelp& help) {
        return app.exit(help);
    } catch (const CLI::CallForAllHelp& help) {
        return app.exit(help);
    } catch (const CLI::ParseError& error) {
        console.json = wants_json(argc, argv);
        print_error(console, usage_error(app, commands, error));
        return static_cast<int>(ExitStatus::usage);
    }
    console.progress = progress_mode(globals.progress);
    if (globals.show_version) {
        print_line(std::string("holdfast ") + version_text());
        return 0;
    }
    const Command* command = parsed_command(app, commands);
    if (command == nullptr) {
        print_warning(app.help());
        return static_cast<int>(ExitStatus::usage);
    }
    const auto outcome = command->run(console);
    if (outcome.ok()) return static_cast<int>(*outcome);
    print_error(console, outcome.error());
    return static_cast<int>(exit_status_of(outcome.error()));
}

}  // namespace holdfast
