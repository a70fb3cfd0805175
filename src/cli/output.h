// How results are written.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "cli/command.h"

namespace holdfast {

// "1.2 GiB".
std::string format_bytes(std::uint64_t bytes);
std::string format_count(std::uint64_t count);
// A name for a terminal: control characters and broken UTF-8 are escaped, so that no file name can
// drive the terminal.
std::string printable(std::string_view text);
bool is_utf8(std::string_view text);

// Adds a path or a name that a user chose, and KEY_b64 where it is not UTF-8.
void add_path(nlohmann::json& document, const std::string& key, const std::string& bytes);
void print_json(const nlohmann::json& document);
void print_json_line(const nlohmann::json& document);
void print_line(std::string_view text);
// To standard error, also in quiet mode.
void print_warning(std::string_view text);
void print_error(const Console& console, const Error& error);

}  // namespace holdfast
