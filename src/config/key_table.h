// Every key that a configuration may have: what the reader, `config show`, the JSON schema and
// docs/reference/config.md are made from.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/value.h"

namespace holdfast {

enum class ConfigType : std::uint8_t {
    text,
    path,      // absolute
    boolean,
    count,     // from 1 to 1,000,000
    number,    // from 0 to 1,000
    choice,    // one of ConfigKey::choices
    choices,   // a list of them
    texts,     // a list of texts; a single one may stand alone
    commands,  // the same, of commands
    duration,  // "30d"
    period,    // "1y6m"
    bytes,     // "2M"
    amount,    // "10%", "20G", "90m" or "all"
    calendar,  // "Mon..Fri 02:30"
    repository, repositories, policy,  // names of the configuration
    secret,    // {file|command|environment|credential = "..."}
    variable,  // a text or a secret
};

struct ConfigKey {
    // With a dot between its parts; * is a name that the user gives.
    const char* path;
    ConfigType type;
    const char* fallback;  // as `config show` prints it; in parentheses: in words; empty: none
    const char* choices;   // with a blank between them
    const char* doc;
    bool is_required = false;
};
std::span<const ConfigKey> config_keys();

// The four kinds of a secret.
inline constexpr std::string_view secret_kinds[] = {"file", "command", "environment", "credential"};

// Names that users give: repositories, sources, policies, notifications, variables.
bool is_config_name(std::string_view name);
// Names of variables that have secrets in them: they are not written in clear.
bool is_secret_variable(std::string_view name);
// Words of a text with blanks between them.
std::vector<std::string> words_of(std::string_view text);
// What is wrong with a value of this key, beginning with its path; nothing when all is well. Names of the
// configuration are not looked up.
std::vector<ConfigIssue> check_value(const ConfigKey& key, const std::string& path, const ConfigValue& value);
// What a type takes, for people: "a time such as 30d".
std::string describe_type(const ConfigKey& key);

}  // namespace holdfast
