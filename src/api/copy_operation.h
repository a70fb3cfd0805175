// The operation `copy`: restore points into another repository.
#pragma once

#include <stop_token>

#include "api/point_selection.h"
#include "api/repository_access.h"
#include "base/progress.h"

namespace holdfast {

struct CopyRequest {
    AccessRequest access;  // where they are
    AccessRequest to;
    // Ids, unique prefixes or `latest`; none: all that the filter passes.
    std::vector<std::string> points;
    PointFilter filter;
    bool dry_run = false;
};

struct CopiedPoint {
    std::string point;
    std::string copy;  // its id in the other repository; empty in a dry run
    TimeNs time = 0;
    std::string host, name;
    std::uint64_t chunks = 0, bytes_read = 0, bytes_stored = 0;
};

struct CopyResponse {
    std::string to;                   // what the other repository is called
    std::vector<CopiedPoint> copied;  // oldest first; what was copied before an error, too
    std::uint64_t present = 0;        // that the other repository has already
    double seconds = 0;
};

// Fills in `response` as it goes. Restore points that are deleted, damaged or partial are left out, unless they are
// named. Errors: as select_point, invalid_argument when both are one repository, and copy_point() of the repository.
Status copy(const CopyRequest& request, CopyResponse& response, Progress& progress, std::stop_token stop);

}  // namespace holdfast
