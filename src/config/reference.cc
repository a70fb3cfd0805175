#include "config/reference.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>

namespace holdfast {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* name_pattern = "^[A-Za-z0-9_-]{1,100}$";

Json secret_schema() {
    Json kinds = Json::array();
    for (const std::string_view kind : secret_kinds) {
        Json& one = kinds.emplace_back();
        one["type"] = "object";
        one["properties"][std::string(kind)] = {{"type", "string"}, {"minLength", 1}};
        one["required"] = {std::string(kind)};
        one["additionalProperties"] = false;
    }
    return {{"oneOf", std::move(kinds)}};
}

Json one_or_list(const Json& item) {
    return {{"oneOf", {item, {{"type", "array"}, {"items", item}}}}};
}

Json schema_of(const ConfigKey& key) {
    const Json text = {{"type", "string"}, {"minLength", 1}};
    const Json choice = {{"enum", words_of(key.choices)}};
    switch (key.type) {
        case ConfigType::path: return {{"type", "string"}, {"pattern", "^/"}};
        case ConfigType::boolean: return {{"type", "boolean"}};
        case ConfigType::count: return {{"type", "integer"}, {"minimum", 1}, {"maximum", 1'000'000}};
        case ConfigType::number: return {{"type", "integer"}, {"minimum", 0}, {"maximum", 1'000}};
        case ConfigType::choice: return choice;
        case ConfigType::choices: return one_or_list(choice);
        case ConfigType::texts:
        case ConfigType::commands: return one_or_list(text);
        case ConfigType::duration: return {{"type", "string"}, {"pattern", "^[0-9]+[smhdw]$"}};
        case ConfigType::period: return {{"type", "string"}, {"pattern", "^([0-9]+y)?([0-9]+m)?([0-9]+d)?([0-9]+h)?$"}};
        case ConfigType::bytes: return {{"type", "string"}, {"pattern", "^[0-9]+[KMGT]?$"}};
        case ConfigType::amount: return {{"type", "string"}, {"pattern", "^(all|[0-9]{1,3}%|[0-9]+[KMGTsmhdw])$"}};
        case ConfigType::repository:
        case ConfigType::policy: return {{"type", "string"}, {"pattern", name_pattern}};
        case ConfigType::repositories: return one_or_list({{"type", "string"}, {"pattern", name_pattern}});
        case ConfigType::secret: return {{"$ref", "#/$defs/secret"}};
        case ConfigType::variable: return {{"oneOf", {text, {{"$ref", "#/$defs/secret"}}}}};
        case ConfigType::text:
        case ConfigType::calendar: break;
    }
    return text;
}

// The schema of the table that holds `path`'s last part; makes tables on the way.
Json& table_of(Json& root, std::string_view& path) {
    Json* table = &root;
    for (;;) {
        const std::size_t dot = path.find('.');
        if (dot == std::string_view::npos) return *table;
        const std::string part(path.substr(0, dot));
        path.remove_prefix(dot + 1);
        table = part == "*" ? &(*table)["patternProperties"][name_pattern] : &(*table)["properties"][part];
        (*table)["type"] = "object";
        (*table)["additionalProperties"] = false;
    }
}

std::string quoted(const std::string& text) {
    return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string toml_of(const ConfigValue& value) {
    switch (value.type) {
        case ConfigValue::Type::text: return quoted(value.text);
        case ConfigValue::Type::integer: return std::to_string(value.integer);
        case ConfigValue::Type::boolean: return value.boolean ? "true" : "false";
        case ConfigValue::Type::list: {
            std::string text;
            for (const ConfigValue& item : value.items) text += (text.empty() ? "" : ", ") + toml_of(item);
            return '[' + text + ']';
        }
        case ConfigValue::Type::table: {
            std::string text;
            for (const ConfigMember& member : value.members)
                text += (text.empty() ? "" : ", ") + member.name + " = " + toml_of(member.value);
            return '{' + text + '}';
        }
        case ConfigValue::Type::other: break;
    }
    return "?";
}

// As `config show` prints a default.
std::string toml_of_default(const ConfigKey& key) {
    if (*key.fallback == '(') return key.fallback;
    if (key.type == ConfigType::boolean) return key.fallback;
    if (key.type != ConfigType::choices) return quoted(key.fallback);
    std::string text;
    for (const std::string& word : words_of(key.fallback)) text += (text.empty() ? "" : ", ") + quoted(word);
    return '[' + text + ']';
}

// What stands in clear by mistake, where a secret belongs, is not shown.
bool is_shown(const std::string& path, const Setting& setting) {
    const bool may_be_secret = setting.key->type == ConfigType::secret || setting.key->type == ConfigType::variable;
    return !may_be_secret || check_value(*setting.key, path, setting.value).empty();
}

// "repository.*.url" with a name in it.
std::string with_name(const std::string& pattern, const std::string& name) {
    const std::size_t star = pattern.find('*');
    return pattern.substr(0, star) + name + pattern.substr(star + 1);
}

}  // namespace

std::string config_schema() {
    Json schema;
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema";
    schema["title"] = "holdfast.toml";
    schema["type"] = "object";
    schema["additionalProperties"] = false;
    for (const ConfigKey& key : config_keys()) {
        std::string_view last = key.path;
        Json& table = table_of(schema, last);
        if (last == "*") {
            table["patternProperties"][name_pattern] = schema_of(key);
            table["patternProperties"][name_pattern]["description"] = key.doc;
            continue;
        }
        Json& property = table["properties"][std::string(last)];
        property = schema_of(key);
        property["description"] = key.doc;
        if (key.is_required) table["required"].push_back(last);
    }
    schema["$defs"]["secret"] = secret_schema();
    return schema.dump(2);
}

std::string config_reference() {
    std::string text =
        "# Configuration\n\n"
        "The file is `--config FILE`, else `HOLDFAST_CONFIG`, else `/etc/holdfast/holdfast.toml` for root and\n"
        "`$XDG_CONFIG_HOME/holdfast/holdfast.toml` (`~/.config/...`) for others. It is [TOML](https://toml.io/en/v1.0.0);\n"
        "[holdfast.schema.json](holdfast.schema.json) is its JSON schema. What is not in this table is an error that\n"
        "names file, line and column, and so are a wrong type and a name that there is not. A file that others than its\n"
        "owner can write is refused. `holdfast config check` names all that is wrong, `holdfast config show --origin` what\n"
        "counts and where it comes from. How to use it: [run from a configuration](../how-to/run-from-a-configuration.md).\n\n"
        "A name, where the table has `*`, is of letters, digits, `_` and `-`. Times are `20s`, `20m`, `20h`, `20d` or\n"
        "`20w`; bytes `20K`, `20M`, `20G` or `20T`.\n\n"
        "A **secret** never stands in the file. It is one of\n\n"
        "| | the secret is |\n|---|---|\n"
        "| `{file = \"/PATH\"}` | the first line of a file |\n"
        "| `{command = \"COMMAND\"}` | the first line that a command prints, run by `sh` |\n"
        "| `{environment = \"NAME\"}` | the value of a variable |\n"
        "| `{credential = \"NAME\"}` | the first line of a credential of systemd, `$CREDENTIALS_DIRECTORY/NAME` |\n";
    std::string section;
    for (const ConfigKey& key : config_keys()) {
        const std::string path = key.path;
        const std::size_t dot = path.find('.');
        const std::string kind = dot == std::string::npos ? "" : path.substr(0, dot);
        if (kind != section || text.find("| key |") == std::string::npos) {
            section = kind;
            text += kind.empty() ? "\n## The file\n" : "\n## [" + kind + ".NAME]\n";
            text += "\n| key | value | default | meaning |\n|---|---|---|---|\n";
        }
        const std::string name = kind.empty() ? path : path.substr(kind.size() + 3);
        std::string fallback = key.fallback;
        if (key.is_required) fallback = "required";
        text += "| `" + name + "` | " + describe_type(key) + " | " + fallback + " | " + key.doc + " |\n";
    }
    text.pop_back();
    return text;
}

std::vector<ShownValue> shown_values(const Settings& settings) {
    std::vector<ShownValue> values;
    for (const auto& [path, setting] : settings.all())
        values.push_back({path, is_shown(path, setting) ? toml_of(setting.value) : "?", setting.value.place});
    for (const ConfigKey& key : config_keys()) {
        const std::string pattern = key.path;
        const std::size_t star = pattern.find('*');
        if (*key.fallback == '\0' || star == std::string::npos) continue;
        for (const auto& [name, place] : settings.names(pattern.substr(0, star - 1))) {
            const std::string path = with_name(pattern, name);
            // The default of a key of mail is of no use where there is no mail.
            const std::size_t last = path.rfind('.');
            const bool is_way = pattern.starts_with("notify.") && last != star + name.size();
            const bool has_table = !is_way || !settings.below(path.substr(0, last)).empty();
            if (has_table && settings.find(path) == nullptr) values.push_back({path, toml_of_default(key), {}});
        }
    }
    std::sort(values.begin(), values.end(), [](const ShownValue& a, const ShownValue& b) { return a.path < b.path; });
    return values;
}

}  // namespace holdfast
