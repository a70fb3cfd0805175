#include "api/point_operations.h"

#include "repository/marks.h"

namespace holdfast {
namespace {

Status apply(Repository& repository,
             const PointInfo& point,
             const PointsRequest& request,
             const WriterIdentity& identity) {
    switch (request.action) {
        case PointAction::remove:
            return delete_point(repository, point, request.reason);
        case PointAction::undelete:
            return protect_point(repository, point, Protection::undelete, request.reason, identity);
        case PointAction::hold:
            return protect_point(repository, point, Protection::hold, request.reason, identity);
        case PointAction::release: return repository.clear_mark(point, MarkKind::held);
    }
    return {};
}

}  // namespace

Result<std::vector<PointSummary>> change_points(const PointsRequest& request) {
    HF_TRY(const auto repository, open_repository(request.access));
    std::vector<PointInfo> points;
    for (const std::string& one : request.points) {
        // Deleting twice is no error, but the latest to delete is not one that is deleted already.
        const bool takes_deleted =
            request.action == PointAction::undelete ||
            (request.action == PointAction::remove && one != "latest");
        const Deleted deleted = takes_deleted ? Deleted::shown : Deleted::hidden;
        HF_TRY(PointInfo point, select_point(*repository, one, request.filter, deleted));
        if (request.action == PointAction::remove && point.is_held)
            return Error(ErrorCode::refused,
                         "restore point " + point.id.hex().substr(0, 12) + " is held: release it first");
        points.push_back(std::move(point));
    }
    std::vector<PointSummary> summaries;
    const WriterIdentity identity = this_process(this_host());
    for (PointInfo& point : points) {
        HF_TRY_STATUS(apply(*repository, point, request, identity));
        summaries.push_back({point.id.hex(), std::move(point.record), point.is_deleted, point.is_held,
                             point.is_damaged});
    }
    return summaries;
}

}  // namespace holdfast
