#include "api/synthesize_operation.h"

#include "api/version.h"
#include "repository/fragmentation.h"
#include "repository/synthesize.h"

namespace holdfast {

Result<SynthesizeResponse> synthesize(const SynthesizeRequest& request,
                                      Progress& progress,
                                      std::stop_token stop) {
    const TimeNs start = system_clock().monotonic();
    HF_TRY(const auto repository, open_repository(request.access));
    HF_TRY(const PointInfo point,
           select_point(*repository, request.point, request.filter, Deleted::hidden));
    HF_TRY(const SynthesizeReport report,
           synthesize(*repository, point, this_process(this_host()), std::string("holdfast ") + version_text(), progress, std::move(stop)));
    SynthesizeResponse response;
    response.point = report.point.hex();
    response.from = point.id.hex();
    response.chunks = report.chunks;
    response.bytes_read = report.read_bytes;
    response.bytes_stored = report.stored_bytes;
    response.seconds = static_cast<double>(system_clock().monotonic() - start) / ns_per_second;
    return response;
}

Result<FragmentationResponse> fragmentation(const FragmentationRequest& request, const std::stop_token& stop) {
    HF_TRY(const auto repository, open_repository(request.access));
    HF_TRY(const PointInfo point, select_point(*repository, request.point, request.filter, Deleted::hidden));
    HF_TRY(const Fragmentation found, measure_fragmentation(*repository, point.record.root, stop));
    return FragmentationResponse{found.needed_bytes, found.reads, found.containers, found.percent()};
}

}  // namespace holdfast
