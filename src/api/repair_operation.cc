#include "api/repair_operation.h"

#include "api/point_selection.h"
#include "base/worker_pool.h"
#include "repository/repair.h"

namespace holdfast {

Result<RepairResponse> repair(const RepairRequest& request, Progress& progress, std::stop_token stop) {
    const TimeNs start = system_clock().monotonic();
    HF_TRY(const auto repository, open_repository(request.access));
    std::unique_ptr<Repository> from;
    if (request.from) {
        AccessRequest access = request.from_access;
        access.repository = request.from;
        HF_TRY(from, open_repository(access));
    }
    RepairOptions options;
    options.dry_run = request.dry_run;
    options.from = from.get();
    options.threads = default_threads();
    HF_TRY(RepairReport report, run_repair(*repository, options, this_process(this_host()), progress,
                                           std::move(stop)));
    RepairResponse response;
    response.objects = report.objects;
    response.bytes_read = report.read_bytes;
    response.mended = std::move(report.mended);
    response.beyond_mending = std::move(report.beyond_mending);
    response.frozen_objects = report.frozen_objects;
    response.indexed_packs = report.indexed_packs;
    response.salvaged_chunks = report.salvaged_chunks;
    response.lost_chunks = report.lost_chunks;
    response.fetched_chunks = report.fetched_chunks;
    response.problem_count = report.problem_count;
    response.problems = std::move(report.problems);
    response.incomplete_points = std::move(report.incomplete_points);
    response.seconds = static_cast<double>(system_clock().monotonic() - start) / ns_per_second;
    return response;
}

}  // namespace holdfast
