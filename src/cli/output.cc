#include "cli/output.h"

#include <cstdio>
#include <nlohmann/json.hpp>

namespace holdfast {
namespace {

// Length of the UTF-8 sequence at the start of `text`; 0 when there is none.
std::size_t utf8_length(std::string_view text) {
    const auto byte = [&text](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
    const std::uint8_t first = byte(0);
    if (first < 0x80) return 1;
    const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || text.size() < length) return 0;
    for (std::size_t i = 1; i < length; ++i)
        if ((byte(i) & 0xc0) != 0x80) return 0;
    const std::uint8_t second = byte(1);
    if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second >= 0xa0) ||
        (first == 0xf0 && second < 0x90) || (first == 0xf4 && second >= 0x90))
        return 0;
    return length;
}

void escape(std::string& out, std::uint8_t byte) {
    char buffer[8];
    std::snprintf(buffer, sizeof buffer, "\\x%02x", byte);
    out += buffer;
}

void write(std::FILE* file, std::string_view text) {
    // A reader that went away (`| head`) ends the program by SIGPIPE; a full disk shows at exit.
    (void)std::fwrite(text.data(), 1, text.size(), file);
    (void)std::fputc('\n', file);
}

}  // namespace

std::string format_bytes(std::uint64_t bytes) {
    static constexpr const char* units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    double value = static_cast<double>(bytes);
    std::size_t unit = 0;
    while (value >= 1024 && unit < 5) {
        value /= 1024;
        ++unit;
    }
    char buffer[32];
    std::snprintf(buffer, sizeof buffer, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
    return buffer;
}

std::string format_count(std::uint64_t count) {
    std::string digits = std::to_string(count);
    for (std::size_t i = digits.size(); i > 3; i -= 3) digits.insert(i - 3, ",");
    return digits;
}

std::string printable(std::string_view text) {
    std::string out;
    while (!text.empty()) {
        const std::size_t length = utf8_length(text);
        const std::uint8_t first = static_cast<std::uint8_t>(text[0]);
        const bool is_c1 = length == 2 && first == 0xc2 && static_cast<std::uint8_t>(text[1]) < 0xa0;
        if (first == '\\') {
            out += "\\\\";
            text.remove_prefix(1);
            continue;
        }
        if (length == 0 || first < 0x20 || first == 0x7f || is_c1) {
            escape(out, first);
            text.remove_prefix(1);
            continue;
        }
        out += text.substr(0, length);
        text.remove_prefix(length);
    }
    return out;
}

bool is_utf8(std::string_view text) {
    while (!text.empty()) {
        const std::size_t length = utf8_length(text);
        if (length == 0) return false;
        text.remove_prefix(length);
    }
    return true;
}

void add_path(nlohmann::json& document, const std::string& key, const std::string& bytes) {
    if (is_utf8(bytes)) {
        document[key] = bytes;
    } else {
        document[key] = printable(bytes);
        document[key + "_b64"] = to_base64(as_bytes(bytes));
    }
}

void print_json(const nlohmann::json& document) {
    write(stdout, document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
}

void print_json_line(const nlohmann::json& document) {
    write(stdout, document.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

void print_line(std::string_view text) {
    write(stdout, text);
}

void print_warning(std::string_view text) {
    write(stderr, text);
}

void print_error(const Console& console, const Error& error) {
    if (!console.json) return write(stderr, "holdfast: " + printable(error.describe()));
    const nlohmann::json document = {
        {"schema", 1},
        {"error", {{"code", error_code_name(error.code())}, {"message", error.describe()}}}};
    write(stderr, document.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

}  // namespace holdfast
