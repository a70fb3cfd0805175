#include "api/copy_operation.h"

#include <algorithm>

#include "api/version.h"
#include "repository/copy.h"

namespace holdfast {
namespace {

// What is to be copied, oldest first: each can be the parent of the next one.
Result<std::vector<PointInfo>> chosen_points(Repository& repository, const CopyRequest& request) {
    std::vector<PointInfo> chosen;
    if (request.points.empty()) {
        HF_TRY(chosen, list_points(repository, request.filter, Deleted::hidden));
        std::erase_if(chosen, [](const PointInfo& point) { return point.is_damaged; });
    }
    for (const std::string& point : request.points) {
        HF_TRY(PointInfo found, select_point(repository, point, request.filter, Deleted::hidden));
        const bool is_new = std::ranges::find(chosen, found.id, &PointInfo::id) == chosen.end();
        if (is_new) chosen.push_back(std::move(found));
    }
    std::stable_sort(chosen.begin(), chosen.end(), [](const PointInfo& a, const PointInfo& b) {
        return a.record.started < b.record.started;
    });
    return chosen;
}

CopiedPoint described(const PointInfo& point, const CopyReport& report) {
    CopiedPoint copied;
    copied.point = point.id.hex();
    if (report.point != RestorePointId{}) copied.copy = report.point.hex();
    copied.time = point.record.started;
    copied.host = point.record.host;
    copied.name = point.record.name;
    copied.chunks = report.chunks;
    copied.bytes_read = report.read_bytes;
    copied.bytes_stored = report.stored_bytes;
    return copied;
}

Status copy_all(const CopyRequest& request, CopyResponse& response, Progress& progress, const std::stop_token& stop) {
    HF_TRY(const auto source, open_repository(request.access));
    HF_TRY(const auto target, open_repository(request.to));
    response.to = target->storage().description();
    if (source->config().repository == target->config().repository)
        return Error(ErrorCode::invalid_argument, "a repository is not copied into itself");
    HF_TRY(const std::vector<PointInfo> chosen, chosen_points(*source, request));
    HF_TRY(const std::vector<PointInfo> all, source->points(std::nullopt));
    HF_TRY(CopyTarget there, CopyTarget::open(*target));
    std::vector<PointInfo> missing;
    for (const PointInfo& point : chosen)
        if (there.find(point) == nullptr) missing.push_back(point);
    response.present = chosen.size() - missing.size();
    for (const PointInfo& point : missing) progress.total_bytes += point.record.stats.content_bytes;
    const std::string program = std::string("holdfast ") + version_text();
    for (const PointInfo& point : missing) {
        CopyReport report;
        if (!request.dry_run) {
            auto copied = copy_point(*source, all, point, there, this_process(this_host()), program, progress, stop);
            if (!copied.ok())
                return std::move(copied).error().with_context("copying restore point " + point.id.hex().substr(0, 12));
            report = *copied;
            PointInfo copy = point;
            copy.id = report.point;
            copy.record = report.record;
            there.add(std::move(copy));
        }
        response.copied.push_back(described(point, report));
    }
    return {};
}

}  // namespace

Status copy(const CopyRequest& request, CopyResponse& response, Progress& progress, std::stop_token stop) {
    const TimeNs start = system_clock().monotonic();
    Status copied = copy_all(request, response, progress, stop);
    response.seconds = static_cast<double>(system_clock().monotonic() - start) / ns_per_second;
    return copied;
}

}  // namespace holdfast
