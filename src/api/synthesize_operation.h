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

struct FragmentationRequest {
    AccessRequest access;
    PointFilter filter;
    std::string point;
};
struct FragmentationResponse {
    std::uint64_t needed_bytes = 0, reads = 0, containers = 0;
    // What reading costs, in percent of what it would if all stood in order: repository/fragmentation.h.
    unsigned percent = 100;
};
// Errors: as select_point; corrupt when something of the tree is missing; cancelled.
Result<FragmentationResponse> fragmentation(const FragmentationRequest& request, const std::stop_token& stop);

}  // namespace holdfast
