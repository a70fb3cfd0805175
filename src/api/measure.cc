#include "api/measure.h"

#include <algorithm>
#include <mutex>

#include "base/worker_pool.h"
#include "repository/attestations.h"
#include "repository/key_epochs.h"
#include "repository/repository.h"

namespace holdfast {
namespace {

constexpr std::size_t most_at_once = 4;

PointFacts facts_of(const PointInfo& point) {
    PointFacts facts;
    facts.id = point.id.hex();
    facts.host = point.record.host;
    facts.name = point.record.name;
    facts.time = point.record.started;
    facts.type = backup_type_name(point.record.type);
    if (point.record.origin != RestorePointId{}) facts.origin = point.record.origin.hex();
    facts.skipped = point.record.stats.skipped;
    facts.content_bytes = point.record.stats.content_bytes;
    facts.is_held = point.is_held;
    facts.is_good = !point.is_damaged && !point.is_incomplete;
    return facts;
}

CheckFacts check_facts_of(const std::vector<AttestationRecord>& newest_first) {
    CheckFacts facts;
    for (const AttestationRecord& one : newest_first) {
        if (one.kind != AttestationKind::check) continue;
        const bool is_first = !facts.checked, is_first_of_data = one.has_read_data && !facts.read_data;
        if (is_first) facts.checked = one.time;
        // A later check that reads no data does not see what one that did has found.
        if (is_first || is_first_of_data) facts.problems += one.problems;
        if (is_first && one.unprotected) facts.unprotected = *one.unprotected;
        if (!is_first_of_data) continue;
        facts.read_data = one.time;
        facts.data_bytes = one.data_bytes;
        facts.never_read_bytes = one.never_read_bytes;
        facts.oldest_read = one.oldest_read;
    }
    return facts;
}

Result<RecoveryKey> recovery_key_of(Repository& repository, const std::vector<AttestationRecord>& attestations) {
    HF_TRY(const auto slots, read_key_slots(repository.storage()));
    HF_TRY(const auto epochs, read_key_epochs(repository.storage()));
    RecoveryKey state = RecoveryKey::none;
    for (const KeySlotRecord& slot : slots) {
        if (slot.type != KeySlotType::recovery || is_revoked(slot, epochs)) continue;
        const bool is_confirmed = std::any_of(attestations.begin(), attestations.end(), [&](const AttestationRecord& one) {
            return one.kind == AttestationKind::recovery_key && one.slot == slot.id;
        });
        if (is_confirmed) return RecoveryKey::confirmed;
        state = RecoveryKey::unconfirmed;
    }
    return state;
}

// Asks the storage about the newest good point of each identity: a commit locks all that its point needs for as long
// as the point itself.
Status measure_locks(Repository& repository, const std::vector<PointInfo>& newest_first, RepositoryFacts& facts) {
    RetentionLock* const locks = repository.storage().retention();
    if (locks == nullptr || repository.config().lock.mode == LockRules::Mode::none) return {};
    facts.lock_period = repository.config().lock.period;
    std::set<std::pair<std::string, std::string>> asked;
    for (const PointInfo& point : newest_first) {
        if (point.is_damaged || point.is_incomplete || !asked.insert({point.record.host, point.record.name}).second) continue;
        const auto until = locks->locked_until(point_name({point.source, point.inverted_time, point.id}));
        if (!until.ok() && until.error().code() == ErrorCode::not_found) continue;
        HF_TRY_STATUS(until.ok() ? ok_status() : Status(until.error()));
        if (*until) facts.locked_until[{point.record.host, point.record.name}] = **until;
    }
    return {};
}

Status measure_one(const MeasureRequest& request, RepositoryFacts& facts) {
    AccessRequest access = request.access;
    access.repository = facts.name;
    HF_TRY(ResolvedAccess resolved, resolve_access(access));
    resolved.storage.backoff.total = std::min(resolved.storage.backoff.total, request.patience);
    HF_TRY(const auto repository, open_repository(resolved));
    if (repository->keyring().role() != KeyRole::full)
        return Error(ErrorCode::permission_denied, "a write-only key cannot see what is in the repository");
    facts.id = repository->keyring().repository().hex();
    HF_TRY(auto points, repository->points(std::nullopt));
    std::erase_if(points, [](const PointInfo& point) {
        return point.is_deleted || point.is_unverified || point.record.is_partial;
    });
    std::stable_sort(points.begin(), points.end(), [](const PointInfo& a, const PointInfo& b) {
        return a.inverted_time < b.inverted_time;
    });
    for (const PointInfo& point : points) facts.points.push_back(facts_of(point));
    HF_TRY_STATUS(measure_locks(*repository, points, facts));
    HF_TRY(const auto attestations, read_attestations(*repository));
    facts.check = check_facts_of(attestations);
    HF_TRY(facts.recovery_key, recovery_key_of(*repository, attestations));
    facts.measured = system_clock().now();
    return {};
}

}  // namespace

std::map<std::string, RepositoryFacts> measure(const MeasureRequest& request, const std::vector<std::string>& repositories) {
    std::map<std::string, RepositoryFacts> result;
    std::mutex mutex;  // guards result
    {
        const std::size_t threads = std::clamp<std::size_t>(repositories.size(), 1, most_at_once);
        WorkerPool pool(threads, threads);
        for (const std::string& name : repositories)
            pool.submit([&request, &result, &mutex, name] {
                RepositoryFacts facts;
                facts.name = name;
                const Status measured = measure_one(request, facts);
                if (!measured.ok()) {
                    facts = {};
                    facts.name = name;
                    facts.error = measured.error().describe();
                }
                const std::lock_guard lock(mutex);
                result[name] = std::move(facts);
            });
    }
    return result;
}

}  // namespace holdfast
