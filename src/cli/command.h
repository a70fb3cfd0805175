// The table of commands: what the parser, the help, the completions and the manual are made from.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <variant>
#include <vector>

#include "api/exit_status.h"
#include "api/repository_access.h"
#include "base/progress.h"

namespace holdfast {

// An option with a name for its value in brackets, "[=AMOUNT]", can be given without one; its target is a string
// that becomes `implied` then.
using OptionTarget = std::variant<bool*,
                                  std::string*,
                                  std::optional<std::string>*,
                                  std::vector<std::string>*>;

struct Option {
    std::string names;       // as CLI11 has them: "-n,--dry-run"
    std::string value_name;  // empty for a flag
    std::string help;
    OptionTarget target;
    std::vector<std::string> choices;  // not empty: one of these
    std::string implied{};             // not empty: the value when none is given

    bool needs_value() const { return !value_name.empty() && implied.empty(); }
};

struct Operand {
    std::string name;
    std::string help;
    OptionTarget target;
    bool is_required = true;
};

enum class ProgressMode { automatic, bar, json, none };

// What every command gets: the options before the verb, and where to write.
struct Console {
    AccessRequest access;
    bool json = false;
    bool quiet = false;
    ProgressMode progress = ProgressMode::automatic;
    std::stop_token stop;
};

struct Command {
    std::string name;
    std::string summary;
    std::string details;
    std::vector<Operand> operands;
    std::vector<Option> options;
    std::vector<Command> verbs;  // of a group such as `key`
    std::function<Result<ExitStatus>(Console&)> run;
    // Keeps what the targets point to.
    std::shared_ptr<void> state;
};

// The options before the verb; they fill in `console` and `progress`.
std::vector<Option> global_options(Console& console, std::string& progress);
// In the order of the help.
std::vector<Command> all_commands();

Command init_command();
Command backup_command();
Command list_command();
Command show_command();
Command ls_command();
Command find_command();
Command diff_command();
Command usage_command();
Command restore_command();
Command cat_command();
Command check_command();
Command delete_command();
Command undelete_command();
Command hold_command();
Command release_command();
Command prune_command();
Command repair_command();
Command synthesize_command();
Command copy_command();
Command key_command();
Command config_command();
Command run_command();
Command schedule_command();
Command status_command();
Command replica_command();
Command version_command();
Command completion_command();
Command man_command();

// Texts made from the table.
std::string completion_script(const std::string& shell);
std::string manual_page();
// "0 done", "1 failed" and so on.
std::string exit_status_list(const std::string& separator);

// Parses, runs, and turns the outcome into an exit status.
int run_command_line(int argc, char** argv, std::stop_token stop);

}  // namespace holdfast
