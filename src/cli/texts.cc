// Shell completions and the manual page, made from the table of commands.
#include <algorithm>

#include "api/version.h"
#include "cli/command.h"
#include "cli/output.h"

namespace holdfast {
namespace {

std::vector<std::string> names_of(const Option& option) {
    std::vector<std::string> names;
    std::string rest = option.names;
    while (!rest.empty()) {
        const std::size_t comma = rest.find(',');
        names.push_back(rest.substr(0, comma));
        rest = comma == std::string::npos ? "" : rest.substr(comma + 1);
    }
    return names;
}


bool takes_path(const Option& option) {
    return option.value_name == "FILE" || option.value_name == "PATH" ||
           option.value_name == "REPOSITORY";
}

std::vector<Option> globals() {
    static Console console;
    static std::string progress;
    return global_options(console, progress);
}

std::string words_of(const std::vector<Option>& options) {
    std::string words;
    for (const Option& option : options)
        for (const std::string& name : names_of(option)) words += ' ' + name;
    return words;
}

// Values after an option: `case` branches for bash.
std::string bash_values(const std::vector<Option>& options) {
    std::string text;
    for (const Option& option : options) {
        if (!option.needs_value()) continue;
        std::string pattern = option.names;
        std::replace(pattern.begin(), pattern.end(), ',', '|');
        if (!option.choices.empty()) {
            std::string words;
            for (const std::string& choice : option.choices) words += choice + ' ';
            text += "        " + pattern + ") COMPREPLY=($(compgen -W '" + words +
                    "' -- \"$cur\")); return ;;\n";
        } else if (takes_path(option)) {
            text += "        " + pattern + ") COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n";
        } else {
            text += "        " + pattern + ") return ;;\n";
        }
    }
    return text;
}

std::string bash_script(const std::vector<Command>& commands) {
    // Behind these stands another word of ours, not a file.
    std::string groups = "completion", verbs, cases, values = bash_values(globals());
    for (const Command& command : commands) {
        if (!command.verbs.empty()) groups += ' ' + command.name;
        verbs += command.name + ' ';
        std::string words = words_of(command.options);
        for (const Command& verb : command.verbs) words += ' ' + verb.name + words_of(verb.options);
        cases += "        " + command.name + ") words='" + words + "' ;;\n";
        values += bash_values(command.options);
        for (const Command& verb : command.verbs) values += bash_values(verb.options);
    }
    return "_holdfast() {\n"
           "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} verb= word words=\n"
           "    COMPREPLY=()\n"
           "    for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
           "        case \" " + verbs + "\" in *\" $word \"*) verb=$word; break ;; esac\n"
           "    done\n"
           "    case $prev in\n" + values + "    esac\n"
           "    case $verb in\n"
           "        '') words='" + verbs + words_of(globals()) + "' ;;\n" + cases + "    esac\n"
           "    if [[ $cur == -* || -z $verb || \" " + groups + " \" == *\" $verb \"* ]]; then\n"
           "        COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
           "    else\n"
           "        COMPREPLY=($(compgen -f -- \"$cur\"))\n"
           "    fi\n"
           "}\n"
           "complete -o filenames -F _holdfast holdfast\n";
}

std::string quoted(const std::string& text) {
    std::string result = "'";
    for (const char c : text) {
        if (c == '\'') result += "'\\''";
        else result += c;
    }
    return result + '\'';
}

std::string zsh_script(const std::vector<Command>& commands) {
    const auto arguments = [](const std::vector<Option>& options) {
        std::string text;
        for (const Option& option : options) {
            std::string help = option.help;
            std::replace_if(help.begin(), help.end(),
                            [](char c) { return c == '[' || c == ']' || c == ':'; }, ' ');
            std::string value;
            if (option.needs_value()) {
                value = ":" + option.value_name + ":";
                if (takes_path(option)) value += "_files";
                for (std::size_t i = 0; i < option.choices.size(); ++i)
                    value += (i == 0 ? "(" : " ") + option.choices[i];
                if (!option.choices.empty()) value += ')';
            }
            for (const std::string& name : names_of(option))
                text += " \\\n            " + quoted("*" + name + "[" + help + "]" + value);
        }
        return text;
    };
    std::string verbs, cases;
    for (const Command& command : commands) {
        std::string summary = command.summary;
        std::replace(summary.begin(), summary.end(), ':', ' ');
        verbs += "        " + quoted(command.name + ":" + summary) + "\n";
        cases += "        " + command.name + ") _arguments" + arguments(command.options) +
                 " \\\n            '*:file:_files' ;;\n";
    }
    return "#compdef holdfast\n"
           "_holdfast() {\n"
           "    local -a verbs\n"
           "    verbs=(\n" + verbs + "    )\n"
           "    _arguments -C" + arguments(globals()) + " \\\n"
           "            '1:verb:->verb' '*::arg:->args'\n"
           "    case $state in\n"
           "        verb) _describe verb verbs ;;\n"
           "        args) case $words[1] in\n" + cases + "        esac ;;\n"
           "    esac\n"
           "}\n"
           "_holdfast \"$@\"\n";
}

std::string fish_script(const std::vector<Command>& commands) {
    std::string text = "complete -c holdfast -f\n";
    const auto add = [&text](const std::string& condition, const Option& option) {
        std::string line = "complete -c holdfast" + condition;
        for (const std::string& name : names_of(option))
            line += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
        if (option.needs_value()) line += takes_path(option) ? " -r -F" : " -x";
        if (!option.choices.empty()) {
            std::string words;
            for (const std::string& choice : option.choices) words += choice + ' ';
            line += " -a " + quoted(words);
        }
        text += line + " -d " + quoted(option.help) + "\n";
    };
    for (const Option& option : globals()) add("", option);
    for (const Command& command : commands) {
        text += "complete -c holdfast -n __fish_use_subcommand -a " + command.name + " -d " +
                quoted(command.summary) + "\n";
        const std::string condition = " -n '__fish_seen_subcommand_from " + command.name + "'";
        for (const Option& option : command.options) add(condition, option);
        for (const Command& verb : command.verbs)
            text += "complete -c holdfast" + condition + " -a " + verb.name + " -d " +
                    quoted(verb.summary) + "\n";
        if (!command.operands.empty()) text += "complete -c holdfast" + condition + " -F\n";
    }
    return text;
}

// roff: a backslash and a leading dot or quote mean something.
std::string roff(const std::string& text) {
    std::string result;
    for (const char c : text) {
        if (c == '\\') result += "\\e";
        else if (c == '-') result += "\\-";
        else result += c;
    }
    if (!result.empty() && (result[0] == '.' || result[0] == '\'')) result.insert(0, "\\&");
    return result;
}

std::string roff_options(const std::vector<Option>& options) {
    std::string text;
    for (const Option& option : options) {
        text += ".TP\n\\fB" + roff(option.names) + "\\fR";
        if (!option.value_name.empty())
            text += (option.needs_value() ? " \\fI" : "\\fI") + roff(option.value_name) + "\\fR";
        text += "\n" + roff(option.help) + "\n";
    }
    return text;
}

std::string roff_command(const Command& command, const std::string& prefix) {
    if (!command.verbs.empty()) {
        std::string text;
        for (const Command& verb : command.verbs) text += roff_command(verb, command.name + ' ');
        return text;
    }
    std::string text = ".SS " + roff(prefix + command.name);
    for (const Operand& operand : command.operands)
        text += operand.is_required ? " " + roff(operand.name) : " [" + roff(operand.name) + "]";
    text += "\n" + roff(command.summary) + ".\n";
    if (!command.details.empty()) text += ".PP\n" + roff(command.details) + "\n";
    return text + roff_options(command.options);
}

}  // namespace

std::string completion_script(const std::string& shell) {
    const std::vector<Command> commands = all_commands();
    if (shell == "zsh") return zsh_script(commands);
    if (shell == "fish") return fish_script(commands);
    return bash_script(commands);
}

std::string exit_status_list(const std::string& separator) {
    std::string text;
    for (const ExitStatusText& one : exit_status_texts())
        text += (text.empty() ? "" : separator) + std::to_string(static_cast<int>(one.status)) + ' ' +
                one.meaning;
    return text;
}

std::string manual_page() {
    std::string text = ".TH HOLDFAST 1 \"\" \"holdfast " + std::string(version_text()) + "\"\n";
    text += ".SH NAME\nholdfast \\- back up files and prove that they can be restored\n";
    text += ".SH SYNOPSIS\n.B holdfast\n[\\fIoptions\\fR] \\fIverb\\fR [\\fIoptions\\fR] "
            "[\\fIoperands\\fR]\n";
    text += ".SH DESCRIPTION\nMakes restore points of file trees in a deduplicated, compressed and "
            "encrypted repository. A restore point is named by its id, a unique prefix of it, or "
            "\\fBlatest\\fR; \\fIPOINT\\fR:\\fIPATH\\fR names something in it.\n";
    text += ".SH OPTIONS\n" + roff_options(globals()) + ".SH VERBS\n";
    for (const Command& command : all_commands()) text += roff_command(command, "");
    text += ".SH \"EXIT STATUS\"\n" + exit_status_list("; ") + ".\n";
    text += ".SH ENVIRONMENT\nHOLDFAST_REPOSITORY, HOLDFAST_KEY_FILE, HOLDFAST_PASSPHRASE_FILE, "
            "HOLDFAST_PASSPHRASE_COMMAND, HOLDFAST_CONFIG, HOLDFAST_CACHE_DIR, HOLDFAST_STATE_DIR, HOLDFAST_HOST.\n";
    return text;
}

Command completion_command() {
    auto shell = std::make_shared<std::string>();
    Command command;
    command.name = "completion";
    command.summary = "print a completion script for a shell";
    command.operands = {{"SHELL", "bash, zsh or fish", shell.get()}};
    command.state = shell;
    command.run = [shell](Console&) -> Result<ExitStatus> {
        if (*shell != "bash" && *shell != "zsh" && *shell != "fish")
            return Error(ErrorCode::invalid_argument, "a completion for bash, zsh or fish");
        print_line(completion_script(*shell));
        return ExitStatus::done;
    };
    return command;
}

Command man_command() {
    Command command;
    command.name = "man";
    command.summary = "print the manual page";
    command.run = [](Console&) -> Result<ExitStatus> {
        print_line(manual_page());
        return ExitStatus::done;
    };
    return command;
}

}  // namespace holdfast
