#include "api/run_copies.h"

#include <set>

#include "api/browse_operations.h"
#include "api/copy_operation.h"

namespace holdfast {
namespace {

// A synthetic full and what it was made from are one moment: a copy of either is enough.
Result<std::vector<std::string>> missing_points(const AccessRequest& from, const AccessRequest& to, const PointFilter& filter) {
    HF_TRY(const std::vector<PointSummary> there, list({to, filter, false}));
    std::set<TimeNs> times;
    for (const PointSummary& point : there)
        if (!point.is_damaged) times.insert(point.record.started);
    HF_TRY(const std::vector<PointSummary> here, list({from, filter, false}));
    std::vector<std::string> missing;
    for (const PointSummary& point : here)
        if (!point.is_damaged && times.insert(point.record.started).second) missing.push_back(point.id);
    return missing;
}

Status copy_missing(const RunRequest& request,
                    const RunningSource& source,
                    const std::string& to,
                    RunStep& step,
                    const std::stop_token& stop) {
    CopyRequest copying;
    copying.access = access_to(request, source.config->repository);
    copying.to = access_to(request, to);
    copying.to.is_other = true;
    copying.filter.host = source.host;
    copying.filter.name = source.name;
    HF_TRY(copying.points, missing_points(copying.access, copying.to, copying.filter));
    // Without any it would mean all.
    if (copying.points.empty()) return {};
    CopyResponse response;
    Progress progress;
    const Status done = copy(copying, response, progress, stop);
    step.points = response.copied.size();
    for (const CopiedPoint& one : response.copied) {
        step.bytes_read += one.bytes_read;
        step.bytes_added += one.bytes_stored;
    }
    return done;
}

}  // namespace

std::optional<RunStep> run_copies(const RunRequest& request,
                                  const RunningSource& source,
                                  const std::string& to,
                                  const std::stop_token& stop) {
    if (request.dry_run) return std::nullopt;
    RunStep step;
    step.kind = "copy";
    step.source = source.config->name;
    step.repository = to;
    const TimeNs start = system_clock().monotonic();
    const Status done = copy_missing(request, source, to, step, stop);
    step.seconds = static_cast<double>(system_clock().monotonic() - start) / ns_per_second;
    return done.ok() ? step : failed_step(std::move(step), done.error());
}

}  // namespace holdfast
