// Operations on restore points: `delete`, `undelete`, `hold`, `release`.
#pragma once

#include "api/browse_operations.h"

namespace holdfast {

enum class PointAction : std::uint8_t { remove, undelete, hold, release };

struct PointsRequest {
    AccessRequest access;
    PointFilter filter;
    std::vector<std::string> points;
    PointAction action = PointAction::hold;
    std::string reason;
};
// All or, when one of them cannot be found or is held, none. Returns the points.
// Errors: refused for a held point.
Result<std::vector<PointSummary>> change_points(const PointsRequest& request);

}  // namespace holdfast
