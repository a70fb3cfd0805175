// Operations that only read: `list`, `show`, `ls`, `find`, `diff`, `cat`, `usage`, `check`.
#pragma once

#include <functional>
#include <map>
#include <stop_token>

#include "api/exclude_request.h"
#include "api/point_selection.h"
#include "api/repository_access.h"
#include "base/progress.h"
#include "format/restore_point.h"
#include "repository/tree_diff.h"

namespace holdfast {

struct PointSummary {
    std::string id;
    RestorePointRecord record;
    bool is_deleted = false;
    bool is_held = false;
    bool is_damaged = false;  // only id and time are known
};

struct ListRequest {
    AccessRequest access;
    PointFilter filter;
    bool show_deleted = false;
};
Result<std::vector<PointSummary>> list(const ListRequest& request);

struct PointRequest {
    AccessRequest access;
    PointFilter filter;
    std::string point;  // may carry a path
};
// A hold or a deletion.
struct MarkSummary {
    TimeNs time = 0;
    std::string reason;  // may be empty
};
struct ShowResponse {
    PointSummary point;
    std::optional<MarkSummary> held, deleted;
};
Result<ShowResponse> show(const PointRequest& request);

Status ls(const PointRequest& request, Recursion recursion, const EntryVisitor& visit);

struct FindRequest {
    AccessRequest access;
    PointFilter filter;
    std::vector<std::string> points;  // empty: all that pass the filter
    std::string pattern;              // shell pattern: of the name, or of the path if it has a '/'
};
// `visit` gets the point too. Directories that points share are searched once for each point.
Status find(const FindRequest& request,
            const std::function<Status(const PointSummary&, const std::string&, const Entry&)>& visit);

struct DiffRequest {
    AccessRequest access;
    PointFilter filter;
    std::string first;
    std::string second;      // empty: the live source
    ExcludeRequest exclude;  // of the live source
};
// Directories that both have whole are not read.
Status diff(const DiffRequest& request, const DiffVisitor& visit);

// Writes a file's content. `write` gets it piece by piece, in order.
Status cat(const PointRequest& request, const std::function<Status(ByteSpan)>& write);

struct UsageResponse {
    std::string repository;
    std::uint64_t objects = 0;
    std::uint64_t bytes = 0;
    std::map<std::string, std::pair<std::uint64_t, std::uint64_t>> folders;  // objects, bytes
    std::uint64_t points = 0;
    std::uint64_t content_bytes = 0;  // sum over all points
};
Result<UsageResponse> usage(const AccessRequest& access);

}  // namespace holdfast
