// The operation `synthesize`.
#pragma once

#include <stop_token>

#include "api/point_selection.h"
#include "api/repository_access.h"
#include "base/progress.h"

namespace holdfast {

struct SynthesizeRequest {
    AccessRequest access;
    PointFilter filter;
    std::string point;
};
struct SynthesizeResponse {
    std::string point;  // the id of the new one
    std::string from;
    std::uint64_t chunks = 0, bytes_read = 0, bytes_stored = 0;
    double seconds = 0;
};
// Errors: as select_point, and synthesize() of the repository.
Result<SynthesizeResponse> synthesize(const SynthesizeRequest& request,
                                      Progress& progress,
                                      std::stop_token stop);

}  // namespace holdfast
