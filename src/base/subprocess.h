// Other programs, with an end in sight.
#pragma once

#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace holdfast {

struct ShellCommand {
    std::string command;  // run by sh -c
    std::vector<std::pair<std::string, std::string>> variables;  // added to the environment
    std::string input;    // what it reads on standard input
    TimeNs timeout = 0;   // 0: none
};

// Runs a command in a process group of its own; what it prints goes to standard error. When its time is over, or
// `stop` is requested, the group is asked to end, and five seconds later killed. Returns its exit status, 128 and more
// for a signal. Errors: unavailable after the time-out, cancelled, those of starting it. None holds the command.
Result<int> run_shell_command(const ShellCommand& command, const Clock& clock, const std::stop_token& stop);

}  // namespace holdfast
