// Options that say what is left out of a source, and what they fill in.
#pragma once

#include "api/exclude_request.h"
#include "cli/command.h"

namespace holdfast {

std::vector<Option> exclude_options(ExcludeRequest& request);

}  // namespace holdfast
