#include "config/settings.h"

#include "base/edit_distance.h"

namespace holdfast {
namespace {

std::vector<std::string> parts_of(std::string_view path) {
    std::vector<std::string> parts;
    for (;;) {
        const std::size_t dot = path.find('.');
        parts.emplace_back(path.substr(0, dot));
        if (dot == std::string_view::npos) return parts;
        path.remove_prefix(dot + 1);
    }
}

std::string joined(const std::vector<std::string>& parts) {
    std::string text;
    for (const std::string& part : parts) text += (text.empty() ? "" : ".") + part;
    return text;
}

// Whether `key` begins with `path`.
bool is_on_the_way(const std::vector<std::string>& key, const std::vector<std::string>& path) {
    if (path.size() > key.size()) return false;
    for (std::size_t i = 0; i < path.size(); ++i)
        if (key[i] != "*" && key[i] != path[i]) return false;
    return true;
}

struct Match {
    const ConfigKey* key = nullptr;  // of this very path
    bool is_table = false;           // some key lies below
    bool is_name = false;            // the last part is a name that the user gives
};

Match match(const std::vector<std::string>& path) {
    Match found;
    for (const ConfigKey& key : config_keys()) {
        const auto parts = parts_of(key.path);
        if (!is_on_the_way(parts, path)) continue;
        if (parts[path.size() - 1] == "*") found.is_name = true;
        if (parts.size() == path.size()) found.key = &key;
        else found.is_table = true;
    }
    return found;
}

// What may stand where the last part of `path` does.
std::vector<std::string> words_beside(std::vector<std::string> path) {
    path.pop_back();
    std::vector<std::string> words;
    for (const ConfigKey& key : config_keys()) {
        const auto parts = parts_of(key.path);
        if (parts.size() > path.size() && is_on_the_way(parts, path)) words.push_back(parts[path.size()]);
    }
    return words;
}

}  // namespace

void Settings::add(const ConfigValue& root, std::vector<ConfigIssue>& issues) {
    add_table(root, {}, issues);
}

void Settings::add_table(const ConfigValue& table,
                         const std::vector<std::string>& path,
                         std::vector<ConfigIssue>& issues) {
    for (const ConfigMember& member : table.members) add_member(member, path, issues);
}

void Settings::add_member(const ConfigMember& member,
                          const std::vector<std::string>& parent,
                          std::vector<ConfigIssue>& issues) {
    std::vector<std::string> path = parent;
    path.push_back(member.name);
    const Match found = match(path);
    if (found.key == nullptr && !found.is_table) {
        std::string text = "no such key: '" + joined(path) + "'";
        const std::string meant = closest_word(member.name, words_beside(path));
        if (!meant.empty()) text += "; did you mean '" + meant + "'?";
        issues.push_back({member.place, text});
        return;
    }
    if (found.is_name && !is_config_name(member.name)) {
        issues.push_back({member.place, "'" + member.name + "' is no name: letters, digits, _ and - are"});
        return;
    }
    const std::string text = joined(path);
    if (found.key != nullptr) {
        for (ConfigIssue& issue : check_value(*found.key, text, member.value)) issues.push_back(std::move(issue));
        settings_.emplace(text, Setting{found.key, member.value});
        return;
    }
    if (member.value.type != ConfigValue::Type::table) {
        issues.push_back({member.value.place, text + ": a table is wanted, not " + member.value.type_name()});
        return;
    }
    if (path.size() == 2) {
        const auto [known, is_new] = names_[path[0]].emplace(path[1], member.place);
        if (!is_new) {
            issues.push_back({member.place, text + " is in " + known->second.text() + ", too"});
            return;
        }
    }
    add_table(member.value, path, issues);
}

const Setting* Settings::find(const std::string& path) const {
    const auto found = settings_.find(path);
    return found == settings_.end() ? nullptr : &found->second;
}

const std::map<std::string, ConfigPlace>& Settings::names(const std::string& kind) const {
    static const std::map<std::string, ConfigPlace> none;
    const auto found = names_.find(kind);
    return found == names_.end() ? none : found->second;
}

std::optional<std::string> Settings::text(const std::string& path) const {
    const Setting* const setting = find(path);
    if (setting == nullptr || setting->value.type != ConfigValue::Type::text) return std::nullopt;
    return setting->value.text;
}

std::vector<std::string> Settings::texts(const std::string& path) const {
    const Setting* const setting = find(path);
    if (setting == nullptr) return {};
    if (setting->value.type == ConfigValue::Type::text) return {setting->value.text};
    std::vector<std::string> result;
    for (const ConfigValue& item : setting->value.items) result.push_back(item.text);
    return result;
}

bool Settings::boolean(const std::string& path) const {
    const Setting* const setting = find(path);
    return setting != nullptr && setting->value.boolean;
}

unsigned Settings::count(const std::string& path) const {
    const Setting* const setting = find(path);
    const bool is_count = setting != nullptr && setting->value.integer > 0 && setting->value.integer <= 1'000'000;
    return is_count ? static_cast<unsigned>(setting->value.integer) : 0;
}

std::map<std::string, const Setting*> Settings::below(const std::string& path) const {
    std::map<std::string, const Setting*> result;
    const std::string prefix = path + '.';
    for (auto it = settings_.lower_bound(prefix); it != settings_.end() && it->first.starts_with(prefix); ++it)
        result.emplace(it->first.substr(prefix.size()), &it->second);
    return result;
}

}  // namespace holdfast
