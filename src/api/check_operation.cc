#include "api/check_operation.h"

#include <charconv>

#include "base/worker_pool.h"
#include "repository/check.h"

namespace holdfast {
namespace {

// What an amount's last letter stands for.
struct Unit {
    char letter;
    std::uint64_t factor;
    std::uint64_t ReadBudget::*bytes;
    TimeNs ReadBudget::*time;
};
constexpr Unit units[] = {
    {'%', 1, &ReadBudget::percent, nullptr},
    {'K', 1u << 10, &ReadBudget::bytes, nullptr},
    {'M', 1u << 20, &ReadBudget::bytes, nullptr},
    {'G', 1u << 30, &ReadBudget::bytes, nullptr},
    {'T', std::uint64_t{1} << 40, &ReadBudget::bytes, nullptr},
    {'s', ns_per_second, nullptr, &ReadBudget::time},
    {'m', 60 * ns_per_second, nullptr, &ReadBudget::time},
    {'h', 3600 * ns_per_second, nullptr, &ReadBudget::time},
};

Result<ReadBudget> parse_budget(const std::string& text) {
    ReadBudget budget;
    if (text == "all") return budget;
    const Error wrong(ErrorCode::invalid_argument,
                      "--read-data=" + text + ": an amount is 10%, 20G (K, M, G, T) or 90m (s, m, h)");
    std::uint64_t count = 0;
    const char* const end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, count);
    if (error != std::errc() || rest + 1 != end || count == 0) return wrong;
    for (const Unit& unit : units) {
        if (unit.letter != *rest) continue;
        const auto limit = static_cast<std::uint64_t>(INT64_MAX) / unit.factor;
        if (count > (unit.letter == '%' ? 100 : limit)) return wrong;
        if (unit.bytes != nullptr) budget.*unit.bytes = count * unit.factor;
        else budget.*unit.time = static_cast<TimeNs>(count * unit.factor);
        return budget;
    }
    return wrong;
}

}  // namespace

Result<CheckResponse> check(const CheckRequest& request, Progress& progress, std::stop_token stop) {
    const TimeNs start = system_clock().monotonic();
    CheckOptions options;
    options.threads = default_threads();
    if (!request.read_data.empty()) {
        options.depth = CheckDepth::data;
        HF_TRY(options.budget, parse_budget(request.read_data));
    }
    HF_TRY(const auto repository, open_repository(request.access));
    HF_TRY(CheckReport report, run_check(*repository, options, progress, std::move(stop)));
    CheckResponse response;
    response.objects = report.objects;
    response.chunks = report.chunks;
    response.points = report.points;
    response.bytes_read = report.read_bytes;
    response.problem_count = report.problem_count;
    response.problems = std::move(report.problems);
    response.newer_count = report.newer_count;
    response.newer = std::move(report.newer);
    response.damaged_points = std::move(report.damaged_points);
    response.data_bytes = report.data_bytes;
    response.never_read_bytes = report.never_read_bytes;
    response.oldest_read = report.oldest_read;
    response.seconds = static_cast<double>(system_clock().monotonic() - start) / ns_per_second;
    return response;
}

}  // namespace holdfast
