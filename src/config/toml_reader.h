// TOML 1.0 to values.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "config/value.h"

namespace holdfast {

// The table at the root; or, as the parser ends at the first of them, one error of syntax in `issues`.
// `file` names the text in places.
ConfigValue read_toml(std::string_view text, const std::string& file, std::vector<ConfigIssue>& issues);

}  // namespace holdfast
