#include "replication/replicator.h"

#include <algorithm>
#include <chrono>

#include "replication/alignment.h"

namespace holdfast {
namespace {

constexpr std::size_t small_threads = 16, large_threads = 4;
constexpr std::size_t max_small_keys = 256, max_large_keys = 8;
constexpr std::uint64_t small_bytes = 1u << 20;
// Of one sweep at a time: those that are busy or have to wait for a place are passed over.
constexpr std::size_t max_seen_keys = 1000;
// Of one key at a time.
constexpr std::size_t max_key_versions = 64;
// How often what is done is written down while nothing else has to be.
constexpr TimeNs tick = ns_per_second / 20;

// The least key behind this one.
std::string behind(const std::string& key) { return key + '\0'; }

}  // namespace

Replicator::Replicator(ReplicaBuckets& buckets, ReplicaState& state, const Clock& clock, std::stop_token stop)
    : buckets_(buckets),
      state_(state),
      clock_(clock),
      stop_(std::move(stop)),
      small_pool_(small_threads, max_small_keys),
      large_pool_(large_threads, max_large_keys) {}

Result<PassReport> Replicator::pass() {
    const TimeNs began = buckets_.now(), start = clock_.monotonic();
    HF_TRY(const bool is_new, state_.is_new());
    knows_target_ = !is_new;
    PassReport report;
    HF_TRY(const std::vector<std::string> borders, state_.begin_listing());
    from_.clear();
    constexpr std::uint64_t between_feeds = 1000;
    const Status listed = buckets_.list_source(borders, [&](std::size_t range, SourceVersion& version) -> Status {
        if (stop_.stop_requested()) return Error(ErrorCode::cancelled, "interrupted");
        HF_TRY_STATUS(state_.add_listed(range, version));
        if (++report.listed % between_feeds != 0) return {};
        HF_TRY_STATUS(collect());
        HF_TRY_STATUS(feed());
        return {};
    });
    if (!listed.ok()) return listed.error();
    report.seconds = static_cast<double>(clock_.monotonic() - start) / static_cast<double>(ns_per_second);
    HF_TRY_STATUS(state_.flush_listed());
    if (is_new) HF_TRY_STATUS(adopt_target());
    knows_target_ = true;
    HF_TRY_STATUS(state_.end_listing(began, report.seconds));
    return report;
}

// What an earlier state has put is there, and says so.
Status Replicator::adopt_target() {
    constexpr std::size_t record_at_once = 1000;
    std::vector<AppliedVersion> results;
    const Status listed = buckets_.list_target([&](const std::string& key, std::span<const TargetVersion> found) -> Status {
        if (stop_.stop_requested()) return Error(ErrorCode::cancelled, "interrupted");
        for (const TargetVersion& one : found)
            if (!one.is_marker && one.mark.empty())
                return Error(ErrorCode::already_exists,
                             "the target has objects that no replica has put there, such as " + key +
                                 ": give the replica a bucket, or a prefix, of its own");
        HF_TRY(const std::vector<SourceVersion> wanted, state_.waiting_of(key));
        const auto ids = align_versions(wanted, found);
        for (std::size_t i = 0; i < wanted.size(); ++i) {
            if (!ids[i]) continue;
            AppliedVersion result;
            result.version = wanted[i];
            result.target_id = *ids[i];
            results.push_back(std::move(result));
        }
        if (results.size() < record_at_once) return {};
        const Status recorded = state_.record(results);
        results.clear();
        return recorded;
    });
    if (!listed.ok()) return listed;
    HF_TRY_STATUS(state_.record(results));
    return state_.set_looked_at();
}

bool Replicator::is_large(const WaitingKey& key) const {
    return std::any_of(key.versions.begin(), key.versions.end(),
                       [](const WaitingVersion& one) { return one.version.bytes > small_bytes; });
}

Status Replicator::feed() {
    if (!knows_target_) return {};
    std::vector<WaitingKey> keys;
    if (from_.empty()) is_quiet_sweep_ = busy_.empty();
    for (std::size_t seen = 0; seen < max_seen_keys && busy_.size() - busy_large_ < max_small_keys; ++seen) {
        HF_TRY(std::optional<WaitingKey> key, state_.next_waiting(from_, buckets_.now(), max_key_versions));
        if (!key) {
            from_.clear();
            break;
        }
        from_ = behind(key->key);
        const bool needs_place = is_large(*key) && busy_large_ == max_large_keys;
        if (busy_.contains(key->key) || needs_place) continue;
        busy_.insert(key->key);
        if (is_large(*key)) {
            ++busy_large_;
            large_.insert(key->key);
        }
        keys.push_back(std::move(*key));
    }
    if (keys.empty()) return {};
    is_quiet_sweep_ = false;
    HF_TRY_STATUS(state_.set_begun(keys));
    for (WaitingKey& key : keys) submit(std::move(key));
    return {};
}

void Replicator::submit(WaitingKey key) {
    WorkerPool& pool = large_.contains(key.key) ? large_pool_ : small_pool_;
    pool.submit([this, key = std::move(key)] {
        apply(key);
        const std::lock_guard lock(mutex_);
        ended_.push_back(key.key);
        done_.notify_all();
    });
}

void Replicator::finish(const AppliedVersion& result) {
    const std::lock_guard lock(mutex_);
    results_.push_back(result);
}

// Which of the versions that an earlier try began are at the target. `known`: how many of them that settles. False: it
// could not be found out, or what was begun is not there.
bool Replicator::look(const WaitingKey& key, std::size_t& known) {
    std::vector<SourceVersion> begun;
    for (const WaitingVersion& one : key.versions)
        if (one.is_begun) begun.push_back(one.version);
    if (begun.empty()) return true;
    const auto found = buckets_.newer_at_target(key.key, key.last_id);
    AppliedVersion result;
    if (!found.ok()) {
        result = {begun.front(), AppliedVersion::Kind::unclear, {}, {}, found.error().describe(), buckets_.now()};
        finish(result);
        return false;
    }
    const auto ids = align_versions(begun, *found);
    for (; known < begun.size() && ids[known]; ++known) {
        result = {begun[known], AppliedVersion::Kind::applied, *ids[known], {}, {}, 0};
        if (!begun[known].is_marker) {
            // It may have been killed between the parts and what belongs to them.
            const auto lock = buckets_.mend(begun[known], *ids[known]);
            if (lock.ok()) result.lock = *lock;
            else result = {begun[known], AppliedVersion::Kind::unclear, {}, {}, lock.error().describe(), buckets_.now()};
        }
        finish(result);
        if (result.kind != AppliedVersion::Kind::applied) return false;
    }
    return true;
}

void Replicator::apply(const WaitingKey& key) {
    using Kind = AppliedVersion::Kind;
    std::size_t next = 0;
    bool goes_on = look(key, next);
    for (; next < key.versions.size(); ++next) {
        const WaitingVersion& one = key.versions[next];
        if (!goes_on || stop_.stop_requested()) {
            // What nobody has looked at stays in doubt.
            if (!one.is_begun) finish({one.version, Kind::not_tried, {}, {}, {}, 0});
            continue;
        }
        const PutOutcome outcome = buckets_.put(one.version);
        const TimeNs now = buckets_.now();
        if (!outcome.error) {
            finish({one.version, Kind::applied, outcome.id, outcome.lock, {}, now});
            continue;
        }
        const bool is_cancelled = outcome.error->code() == ErrorCode::cancelled;
        goes_on = outcome.is_gone;
        if (is_cancelled && outcome.may_be_there) continue;
        const Kind kind = outcome.is_gone ? Kind::gone
                          : is_cancelled  ? Kind::not_tried
                          : outcome.may_be_there ? Kind::unclear
                                                 : Kind::failed;
        finish({one.version, kind, {}, {}, outcome.error->describe(), now});
    }
}

// Writes down what has been done.
Status Replicator::collect() {
    std::vector<AppliedVersion> results;
    std::vector<std::string> ended;
    {
        const std::lock_guard lock(mutex_);
        results.swap(results_);
        ended.swap(ended_);
    }
    for (const AppliedVersion& result : results) {
        if (result.kind == AppliedVersion::Kind::applied) ++applied_;
        if (result.kind == AppliedVersion::Kind::failed || result.kind == AppliedVersion::Kind::unclear) ++failed_;
    }
    HF_TRY_STATUS(state_.record(results));
    for (const std::string& key : ended) {
        busy_.erase(key);
        if (large_.erase(key) != 0) --busy_large_;
    }
    return {};
}

Status Replicator::work(TimeNs until, Until how) {
    for (;;) {
        HF_TRY_STATUS(collect());
        const bool is_stopped = stop_.stop_requested();
        if (!is_stopped) HF_TRY_STATUS(feed());
        const bool has_nothing = is_stopped || !knows_target_ || (how == Until::nothing_to_do && from_.empty() && is_quiet_sweep_);
        if (busy_.empty() && has_nothing) return {};
        if (clock_.monotonic() >= until && !is_stopped) return {};
        std::unique_lock lock(mutex_);
        done_.wait_for(lock, std::chrono::nanoseconds(tick), [this] { return !ended_.empty(); });
    }
}

Status Replicator::end_what_is_begun() {
    small_pool_.wait_idle();
    large_pool_.wait_idle();
    return collect();
}

Status Replicator::follow_locks(std::size_t count) {
    if (!buckets_.has_locks()) return {};
    HF_TRY(const std::vector<KnownVersion> versions, state_.oldest_looks(count));
    for (const KnownVersion& one : versions) {
        if (stop_.stop_requested()) return {};
        const auto lock = buckets_.follow_lock(one.version, one.target_id, one.lock);
        if (lock.ok()) HF_TRY_STATUS(state_.record_look(one, *lock, buckets_.now()));
        else HF_TRY_STATUS(state_.record_look(one, one.lock, buckets_.now()));
    }
    return {};
}

}  // namespace holdfast
