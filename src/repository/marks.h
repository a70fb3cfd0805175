// What was said of a restore point after it was written. docs/format.md#leases.
#pragma once

#include "repository/repository.h"

namespace holdfast {

// The marks that a point has now, with their reasons; at most one of a kind.
// Errors: corrupt.
Result<std::vector<MarkRecord>> read_marks(Repository& repository, const RestorePointId& point);

}  // namespace holdfast
