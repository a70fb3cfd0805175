#include "api/check_operation.h"

#include <charconv>

#include "api/point_selection.h"
#include "base/quantity.h"
#include "base/worker_pool.h"
#include "repository/attestations.h"
#include "repository/check.h"
#include "repository/lock_check.h"

namespace holdfast {
namespace {

Result<ReadBudget> parse_budget(const std::string& text) {
    ReadBudget budget;
    if (text == "all") return budget;
    const Error wrong(ErrorCode::invalid_argument,
                      "--read-data=" + text + ": an amount is 10%, 20G (K, M, G, T) or 90m (s, m, h)");
    if (text.ends_with('%')) {
        const char* const end = text.data() + text.size() - 1;
        const auto [rest, error] = std::from_chars(text.data(), end, budget.percent);
        if (error != std::errc() || rest != end || budget.percent == 0 || budget.percent > 100) return wrong;
        return budget;
    }
    // Without a letter nobody knows what it is of; a check of days is none that anybody waits for.
    const bool has_letter = !text.empty() && std::string_view("KMGTsmh").find(text.back()) != std::string_view::npos;
    const auto bytes = parse_byte_count(text);
    const auto time = parse_duration(text);
    if (!has_letter || (!bytes.ok() && !time.ok())) return wrong;
    if (bytes.ok()) budget.bytes = *bytes;
    else budget.time = *time;
    return budget;
}

// Who may not write there, or has no room, has checked it all the same.
std::string keep(Repository& repository, const CheckRequest& request, const CheckResponse& response) {
    AttestationRecord record;
    record.kind = AttestationKind::check;
    record.time = system_clock().now();
    record.host = this_host();
    record.has_read_data = !request.read_data.empty();
    record.problems = response.problem_count;
    record.data_bytes = response.data_bytes;
    record.never_read_bytes = std::min(response.never_read_bytes, response.data_bytes);
    record.oldest_read = response.oldest_read;
    for (const std::string& point : response.damaged_points)
        if (const auto id = RestorePointId::from_hex(point); id && record.damaged_points.size() < AttestationRecord::most_damaged_points)
            record.damaged_points.push_back(*id);
    Status kept = attest(repository, record);
    if (kept.ok() && request.locks) {
        AttestationRecord locks;
        locks.kind = AttestationKind::locks;
        locks.time = record.time;
        locks.host = record.host;
        locks.unprotected = response.unprotected_count;
        kept = attest(repository, locks);
    }
    return kept.ok() ? "" : kept.error().describe();
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
    const std::stop_token lock_stop = stop;
    HF_TRY(CheckReport report, run_check(*repository, options, progress, std::move(stop)));
    CheckResponse response;
    if (request.locks) {
        HF_TRY(LockReport locks, check_locks(*repository, progress, lock_stop));
        response.locked_objects = locks.objects;
        response.unprotected_count = locks.unprotected_count;
        response.expired_objects = locks.expired_objects;
        response.unprotected = std::move(locks.unprotected);
        response.locked_until = locks.earliest;
    }
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
    response.not_kept = keep(*repository, request, response);
    response.frozen_packs = report.frozen_packs;
    response.frozen_bytes = report.frozen_bytes;
    response.seconds = static_cast<double>(system_clock().monotonic() - start) / ns_per_second;
    return response;
}

}  // namespace holdfast
