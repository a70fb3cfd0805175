// A configuration against the table of keys: what it sets, and where.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/key_table.h"
#include "config/value.h"

namespace holdfast {

struct Setting {
    const ConfigKey* key = nullptr;
    ConfigValue value;
};

// What files set, all together.
class Settings {
  public:
    // Adds one file's table. Unknown keys, wrong types, and what another file has set already become issues.
    void add(const ConfigValue& root, std::vector<ConfigIssue>& issues);

    // By the path with the names in it: "source.home.path". Nothing: it is not set.
    const Setting* find(const std::string& path) const;
    // The names of `kind` ("source"), each with its place, sorted.
    const std::map<std::string, ConfigPlace>& names(const std::string& kind) const;
    const std::map<std::string, Setting>& all() const { return settings_; }

    // The values; nothing where it is not set, or not of this type.
    std::optional<std::string> text(const std::string& path) const;
    std::vector<std::string> texts(const std::string& path) const;
    bool boolean(const std::string& path) const;
    unsigned count(const std::string& path) const;
    // Those that are set below "repository.x.environment", by their names.
    std::map<std::string, const Setting*> below(const std::string& path) const;

  private:
    void add_table(const ConfigValue& table, const std::vector<std::string>& path, std::vector<ConfigIssue>& issues);
    void add_member(const ConfigMember& member, const std::vector<std::string>& path, std::vector<ConfigIssue>& issues);

    std::map<std::string, Setting> settings_;
    std::map<std::string, std::map<std::string, ConfigPlace>> names_;
};

}  // namespace holdfast
