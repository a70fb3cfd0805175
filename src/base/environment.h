// Variables of the process's environment as a parameter, so that tests set their own.
#pragma once

#include <functional>
#include <optional>
#include <string>

namespace holdfast {

// Nothing for a variable that is not set, or empty.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;
Environment process_environment();

}  // namespace holdfast
