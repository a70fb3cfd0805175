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

PointFacts facts_of(const PointInfo& point, TimeNs now) {
    PointFacts facts;
    facts.id = point.id.hex();
    facts.host = point.record.host;
    facts.name = point.record.name;
    facts.time = point.record.started;
    facts.type = backup_type_name(point.record.type);
    if (point.record.origin != RestorePointId{}) facts.origin = point.record.origin.hex();
    facts.skipped = point.record.stats.skipped;
    // What a database holds; a write-only client may claim anything.
    facts.content_bytes = std::min<std::uint64_t>(point.record.stats.content_bytes, INT64_MAX);
    facts.is_held = point.is_held;
    const bool is_of_a_time = facts.time >= 0 && facts.time <= now + clock_tolerance;
    facts.is_good = !point.is_damaged && !point.is_incomplete && is_of_a_time;
    return facts;
}

// What was found and has not been looked at again since.
std::vector<AttestationRecord> standing(const std::vector<AttestationRecord>& newest_first) {
    std::vector<AttestationRecord> result;
    for (auto one = newest_first.begin(); one != newest_first.end(); ++one)
        if (std::none_of(newest_first.begin(), one, [&](const AttestationRecord& later) { return later.covers(*one); }))
            result.push_back(*one);
    return result;
}

CheckFacts check_facts_of(const std::vector<AttestationRecord>& newest_first, std::set<std::string>& damaged_points) {
    CheckFacts facts;
    for (const AttestationRecord& one : newest_first) {
        if (one.kind != AttestationKind::check) continue;
        // A check that reads data, too, meets what one that does not has met.
        facts.problems = std::max(facts.problems, one.problems);
        for (const RestorePointId& id : one.damaged_points) damaged_points.insert(id.hex());
        if (!facts.checked) facts.checked = one.time;
        if (!one.has_read_data || facts.read_data) continue;
        facts.read_data = one.time;
        facts.data_bytes = std::min<std::uint64_t>(one.data_bytes, INT64_MAX);
        facts.never_read_bytes = std::min<std::uint64_t>(one.never_read_bytes, INT64_MAX);
        facts.oldest_read = one.oldest_read;
    }
    facts.problems = std::min<std::uint64_t>(facts.problems, INT64_MAX);
    for (const AttestationRecord& one : newest_first)
        if (one.kind == AttestationKind::locks) {
            facts.unprotected = std::min<std::uint64_t>(one.unprotected, INT64_MAX);
            break;
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
// as the point itself. One that the storage does not tell of is not locked.
void measure_locks(Repository& repository,
                   const MeasureRequest& request,
                   const std::vector<PointInfo>& newest_first,
                   RepositoryFacts& facts) {
    RetentionLock* const locks = repository.storage().retention();
    if (locks == nullptr || repository.config().lock.mode == LockRules::Mode::none) return;
    facts.lock_period = repository.config().lock.period;
    facts.is_governance = repository.config().lock.mode == LockRules::Mode::governance;
    std::set<std::pair<std::string, std::string>> wanted = request.identities;
    std::set<std::string> good;
    for (const PointFacts& point : facts.points)
        if (point.is_good) good.insert(point.id);
    for (const PointInfo& point : newest_first) {
        const std::pair identity(point.record.host, point.record.name);
        if (!good.contains(point.id.hex()) || wanted.erase(identity) == 0) continue;
        const auto until = locks->locked_until(point_name({point.source, point.inverted_time, point.id}));
        if (until.ok() && *until) facts.locked_until[identity] = **until;
    }
}

Status measure_one(const MeasureRequest& request, RepositoryFacts& facts) {
    AccessRequest access = request.access;
    access.repository = facts.name;
    HF_TRY(ResolvedAccess resolved, resolve_access(access));
    facts.url = resolved.repository;
    resolved.storage.backoff.total = std::min(resolved.storage.backoff.total, request.patience);
    HF_TRY(const auto repository, open_repository(resolved));
    if (repository->keyring().role() != KeyRole::full)
        return Error(ErrorCode::permission_denied, "a write-only key cannot see what is in the repository");
    facts.id = repository->keyring().repository().hex();
    HF_TRY(const ObjectInfo config, repository->storage().head("config"));
    facts.is_replica = config.is_replica;
    HF_TRY(auto points, repository->points(std::nullopt));
    std::erase_if(points, [](const PointInfo& point) {
        return point.is_deleted || point.is_unverified || point.record.is_partial;
    });
    std::stable_sort(points.begin(), points.end(), [](const PointInfo& a, const PointInfo& b) {
        return a.inverted_time < b.inverted_time;
    });
    const TimeNs now = system_clock().now();
    HF_TRY(auto attestations, read_attestations(*repository));
    std::erase_if(attestations, [now](const AttestationRecord& one) { return one.time > now + clock_tolerance; });
    std::set<std::string> damaged;
    facts.check = check_facts_of(standing(attestations), damaged);
    for (const PointInfo& point : points) {
        facts.points.push_back(facts_of(point, now));
        if (damaged.contains(facts.points.back().id)) facts.points.back().is_good = false;
    }
    HF_TRY(facts.lost_containers, repository->count_lost_containers());
    measure_locks(*repository, request, points, facts);
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
                    RepositoryFacts unknown;
                    unknown.name = name;
                    unknown.url = facts.url;
                    facts = std::move(unknown);
                    facts.error = measured.error().describe();
                }
                const std::lock_guard lock(mutex);
                result[name] = std::move(facts);
            });
    }
    return result;
}

}  // namespace holdfast
