// What is made from the table of keys: the JSON schema, the reference, and all values that count.
#pragma once

#include <string>
#include <vector>

#include "config/settings.h"

namespace holdfast {

// JSON Schema, draft 2020-12. Names that have to be there are not checked by it.
std::string config_schema();
// docs/reference/config.md.
std::string config_reference();

struct ShownValue {
    std::string path, value;
    ConfigPlace place;  // without a line: a default
};
// What is set, and the defaults of every repository, source, policy and notification that there is; sorted.
std::vector<ShownValue> shown_values(const Settings& settings);

}  // namespace holdfast
