// Options that several commands share, and what they fill in.
#pragma once

#include "api/point_selection.h"
#include "cli/command.h"

namespace holdfast {

// --host, --source, --name, --tag, --at.
struct PointOptions {
    std::optional<std::string> host, source, name, at;
    std::vector<std::string> tags;

    std::vector<Option> options();
    // Errors: invalid_argument for a bad time.
    Result<PointFilter> filter() const;
};

}  // namespace holdfast
