#include "repository/lock_check.h"

#include <algorithm>
#include <map>

#include "base/first_error.h"
#include "base/worker_pool.h"
#include "repository/chunk_marker.h"
#include "repository/locks.h"

namespace holdfast {
namespace {

constexpr std::size_t lock_threads = 8;
constexpr std::size_t max_reported = 1000;
// The clock of the storage is another one than that of who promised.
constexpr TimeNs clock_tolerance = 3600 * ns_per_second;

// Until when each object is to be locked.
using Promises = std::map<std::string, TimeNs>;

struct Promise {
    const PointInfo* point = nullptr;
    TimeNs until = 0;
};

// Those that are not over. What a prune of a reader has seen to comes last, whose length nobody knows: each object is to
// be locked as long as the first that needs it says.
std::vector<Promise> promises_of(const std::vector<PointInfo>& points, TimeNs period, TimeNs now) {
    std::vector<Promise> promises;
    for (const PointInfo& point : points) {
        // Nobody was told of one that is not verified.
        if (point.record.is_partial || point.is_damaged || point.is_unverified || point.record.finished > now) continue;
        if (now - point.record.finished < period)
            promises.push_back({&point, point.is_claim ? now : point.record.finished + period});
    }
    std::ranges::sort(promises, std::greater(), &Promise::until);
    return promises;
}

Result<Promises> promised_objects(Repository& repository, TimeNs now, const std::stop_token& stop) {
    HF_TRY(const auto points, repository.points(std::nullopt));
    HF_TRY(Index* const index, repository.index());
    HF_TRY(ChunkReader* const chunks, repository.chunks());
    Promises objects;
    TimeNs until = 0;
    ChunkMarker marker(*index, *chunks, repository.keyring());
    marker.on_mark = [&](const ChunkId& id, const ChunkRange& part) -> Status {
        if (stop.stop_requested()) return Error(ErrorCode::cancelled, "interrupted");
        HF_TRY(const LocatedChunk chunk, index->locate(id, part));
        objects.emplace(container_name(chunk.container), until);
        return {};
    };
    const auto promises = promises_of(points, repository.config().lock.period, now);
    for (const Promise& promise : promises) {
        until = promise.until;
        objects.emplace(point_name({promise.point->source, promise.point->inverted_time, promise.point->id}), until);
        // What is missing is another check's matter.
        HF_TRY_STATUS(marker.mark(promise.point->record.root, ChunkMarker::Damage::is_passed_over));
    }
    if (promises.empty()) return objects;
    HF_TRY(const auto keys, names_of_keys(repository.storage()));
    for (const std::string& name : keys) objects.emplace(name, promises.front().until);
    return objects;
}

class LockCheck {
  public:
    LockCheck(RetentionLock& retention, const Promises& promises, TimeNs now)
        : retention_(retention), promises_(promises), now_(now) {}

    // Errors: of the storage.
    Status look_at(const std::string& name) {
        const auto until = retention_.locked_until(name);
        // Removed since it was listed.
        if (!until.ok() && until.error().code() == ErrorCode::not_found) return {};
        if (!until.ok()) return until.error();
        const std::lock_guard lock(mutex_);
        note(name, *until);
        return {};
    }
    LockReport report() {
        std::ranges::sort(report_.unprotected);
        return std::move(report_);
    }

  private:
    void note(const std::string& name, const std::optional<TimeNs>& until) {
        const auto promised = promises_.find(name);
        const bool is_promised = promised != promises_.end();
        report_.objects += is_promised ? 1 : 0;
        if (is_promised && (!until || std::max(now_, *until + clock_tolerance) < promised->second)) {
            ++report_.unprotected_count;
            if (report_.unprotected.size() < max_reported) report_.unprotected.push_back(name);
        } else if (is_promised) {
            report_.earliest = std::min(report_.earliest.value_or(*until), *until);
        } else if (!until) {
            ++report_.expired_objects;
        }
    }

    RetentionLock& retention_;
    const Promises& promises_;
    const TimeNs now_;
    std::mutex mutex_;  // guards what follows
    LockReport report_;
};

}  // namespace

Result<LockReport> check_locks(Repository& repository, Progress& progress, std::stop_token stop) {
    RetentionLock* const retention = repository.storage().retention();
    if (retention == nullptr || repository.config().lock.mode == LockRules::Mode::none)
        return Error(ErrorCode::unsupported, repository.storage().description() + ": its objects are not locked");
    // Listed first: what is stored meanwhile is not looked at.
    HF_TRY(auto objects, list_objects(repository.storage(), ""));
    std::erase_if(objects, [](const ObjectInfo& info) { return !is_lockable(info.name); });
    HF_TRY(const Promises promises, promised_objects(repository, repository.clock().now(), stop));
    progress.total_files = objects.size();
    LockCheck check(*retention, promises, repository.clock().now());
    FirstError first_error;
    {
        WorkerPool pool(lock_threads, lock_threads);
        for (const ObjectInfo& info : objects)
            pool.submit([&, &name = info.name] {
                if (stop.stop_requested() || !first_error.status().ok()) return;
                first_error.note(check.look_at(name));
                ++progress.files;
            });
        pool.wait_idle();
    }
    if (stop.stop_requested()) return Error(ErrorCode::cancelled, "interrupted");
    HF_TRY_STATUS(first_error.status());
    return check.report();
}

}  // namespace holdfast
