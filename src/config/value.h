// What a configuration file says, before anybody asks what it means.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace holdfast {

// Where something stands. Lines and columns begin with 1; 0: the file as a whole.
struct ConfigPlace {
    std::string file;
    std::uint32_t line = 0, column = 0;

    // "FILE:LINE:COLUMN".
    std::string text() const;
    bool operator==(const ConfigPlace&) const = default;
};

// Something that is wrong with a configuration.
struct ConfigIssue {
    ConfigPlace place;
    std::string text;

    // "FILE:LINE:COLUMN: text".
    std::string describe() const;
};

struct ConfigMember;

struct ConfigValue {
    enum class Type : std::uint8_t { text, integer, boolean, list, table, other };

    Type type = Type::other;
    ConfigPlace place;
    std::string text;
    std::int64_t integer = 0;
    bool boolean = false;
    std::vector<ConfigValue> items;
    std::vector<ConfigMember> members;  // of a table, sorted by name

    // "text", "number", ....
    const char* type_name() const;
};

struct ConfigMember {
    std::string name;
    ConfigPlace place;
    ConfigValue value;
};

}  // namespace holdfast
