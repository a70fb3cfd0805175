// Secrets that somebody types or keeps in a file; they never stand on a command line.
#pragma once

#include <stop_token>
#include <string>

#include "base/result.h"

namespace holdfast {

// One line of standard input, at most 4,096 bytes. On a terminal `prompt` is shown, and not what is typed.
// The caller wipes it. Errors: invalid_argument when there is none; cancelled.
Result<std::string> read_typed_secret(const char* prompt, const std::stop_token& stop);
// The first line of a file.
Result<std::string> read_first_line(const std::string& path);

}  // namespace holdfast
