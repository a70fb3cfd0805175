// Which restore points are meant.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace holdfast {

class Repository;
struct PointInfo;

struct PointFilter {
    std::optional<std::string> host;    // unset: this host where one point is meant, else any
    std::optional<std::string> source;  // its name, URL or path, which may be relative
    std::optional<std::string> name;    // the same, without looking for a path
    std::vector<std::string> tags;      // all of them
    std::optional<TimeNs> at;           // the newest that is not later
};

// What a command line names: an id, a unique prefix of one, or "latest", and a path behind ':'.
struct PointPath {
    std::string point;
    std::string path;  // without leading slashes; empty: the root
    bool has_path = false;
};
PointPath parse_point_path(const std::string& text);

// HOLDFAST_HOST, or the machine's name.
std::string this_host();

enum class Deleted { hidden, shown };
// All points that pass the filter, oldest first. Partial points are never shown.
// Errors: invalid_argument for an empty text in the filter.
Result<std::vector<PointInfo>> list_points(Repository& repository,
                                           const PointFilter& filter,
                                           Deleted deleted);
// Exactly one. Errors: not_found, also for a deleted one that is hidden; invalid_argument with the candidates when more than one matches.
Result<PointInfo> select_point(Repository& repository,
                               const std::string& point,
                               const PointFilter& filter,
                               Deleted deleted);
// The same for who goes on to read it: far away the index is read meanwhile, for its three requests take as long as
// those for the point.
Result<PointInfo> select_point_to_read(Repository& repository, const std::string& point, const PointFilter& filter);

}  // namespace holdfast
