// The only file that knows tomlplusplus, because it takes long to compile.
#include "config/toml_reader.h"

#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#define TOML_HEADER_ONLY 1
#include <toml++/toml.h>

#include <algorithm>

namespace holdfast {
namespace {

// Every dot of a dotted key is a table in a table, and the library takes tables apart by recursion: with
// 64 dots a line and its own limit of 256 brackets, about 5 MiB of the stack.
constexpr unsigned max_dots_a_line = 64;

ConfigPlace place_of(const toml::source_region& region, const std::string& file) {
    return {file, region.begin.line, region.begin.column};
}

ConfigValue convert(const toml::node& node, const std::string& file) {
    ConfigValue value;
    value.place = place_of(node.source(), file);
    if (const auto* text = node.as_string()) {
        value.type = ConfigValue::Type::text;
        value.text = text->get();
    } else if (const auto* integer = node.as_integer()) {
        value.type = ConfigValue::Type::integer;
        value.integer = integer->get();
    } else if (const auto* boolean = node.as_boolean()) {
        value.type = ConfigValue::Type::boolean;
        value.boolean = boolean->get();
    } else if (const auto* list = node.as_array()) {
        value.type = ConfigValue::Type::list;
        for (const toml::node& item : *list) value.items.push_back(convert(item, file));
    } else if (const auto* table = node.as_table()) {
        value.type = ConfigValue::Type::table;
        for (const auto& [key, member] : *table)
            value.members.push_back(
                {std::string(key.str()), place_of(key.source(), file), convert(member, file)});
        std::sort(value.members.begin(), value.members.end(),
                  [](const ConfigMember& a, const ConfigMember& b) { return a.name < b.name; });
    }
    return value;
}

// The number of the first line with too many dots outside of quotes; 0: there is none.
std::uint32_t too_deep_line(std::string_view text) {
    std::uint32_t line = 1;
    unsigned dots = 0;
    char quote = 0;
    for (const char c : text) {
        if (c == '\n') {
            ++line;
            dots = 0;
            quote = 0;
        } else if (quote != 0) {
            if (c == quote) quote = 0;
        } else if (c == '"' || c == '\'') {
            quote = c;
        } else if (c == '.' && ++dots > max_dots_a_line) {
            return line;
        }
    }
    return 0;
}

}  // namespace

ConfigValue read_toml(std::string_view text, const std::string& file, std::vector<ConfigIssue>& issues) {
    ConfigValue empty;
    empty.type = ConfigValue::Type::table;
    empty.place.file = file;
    if (const std::uint32_t line = too_deep_line(text); line != 0) {
        ConfigIssue issue;
        issue.place = {file, line, 1};
        issue.text = "more than 64 dots in a line";
        issues.push_back(std::move(issue));
        return empty;
    }
    const toml::parse_result parsed = toml::parse(text);
    if (!parsed) {
        const toml::parse_error& error = parsed.error();
        ConfigIssue issue;
        issue.place = place_of(error.source(), file);
        issue.text = std::string(error.description());
        issues.push_back(std::move(issue));
        return empty;
    }
    return convert(parsed.table(), file);
}

}  // namespace holdfast
