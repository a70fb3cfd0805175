#include <unistd.h>

#include <algorithm>
#include <limits>
#include <mutex>
#include <thread>

#include "api/replica_definition.h"
#include "api/replica_operations.h"
#include "api/source_record.h"
#include "replication/bucket_rules.h"
#include "replication/replicator.h"
#include "replication/s3_buckets.h"

namespace holdfast {
namespace {

constexpr TimeNs least_interval = ns_per_second, longest_after_failure = 60 * ns_per_second;
constexpr std::size_t looks_at_locks = 200;
// `--once` gives up when so many passes in turn have brought nothing, and some of it failed.
constexpr unsigned max_vain_passes = 4;

// Work on one replica.
class ReplicaRun {
  public:
    ReplicaRun(const ReplicaConfig& config, const RunReplicasRequest& request) : config_(config), request_(request) {}

    Status run() {
        HF_TRY(const UniqueFd lock, lock_replica(config_.name));
        if (request_.once && is_paused())
            return Error(ErrorCode::refused, "the replica '" + config_.name + "' is paused: `replica resume` it");
        HF_TRY_STATUS(open());
        const Status done = request_.once ? run_once() : run_on();
        HF_TRY(const ReplicaFigures figures, state_->figures());
        pending_ = figures.pending;
        return done;
    }
    std::uint64_t applied() const { return replicator_ ? replicator_->applied() : 0; }
    std::uint64_t pending() const { return pending_; }

  private:
    bool is_paused() const { return ::access(replica_file(config_.name, ".paused").c_str(), F_OK) == 0; }
    bool is_stopped() const { return request_.access.stop.stop_requested(); }

    Status open() {
        HF_TRY(const BandwidthLimits limits, replica_limits(request_.access, config_));
        HF_TRY(source_, open_replica_side(config_.source, request_.access.stop, limits));
        HF_TRY(target_, open_replica_side(config_.target, request_.access.stop, limits));
        HF_TRY(state_, ReplicaState::open(replica_file(config_.name, ".sqlite"), describe_sides(*source_, *target_)));
        if (request_.once) return connect();
        return {};
    }

    // What needs the services.
    Status connect() {
        if (replicator_) return {};
        HF_TRY(const bool is_new, state_->is_new());
        BucketRules rules;
        if (is_new) rules.target = BucketRules::Target::made;
        HF_TRY_STATUS(prepare_buckets(*source_, *target_, rules));
        HF_TRY(buckets_, S3Buckets::open(*source_, *target_));
        replicator_.emplace(*buckets_, *state_, system_clock(), request_.access.stop);
        return {};
    }

    // Lists, and puts what is new.
    Status pass(Replicator::Until how) {
        const std::uint64_t applied_before = applied(), failed_before = replicator_ ? replicator_->failed() : 0;
        HF_TRY_STATUS(connect());
        HF_TRY(const PassReport report, replicator_->pass());
        HF_TRY_STATUS(replicator_->follow_locks(looks_at_locks));
        const TimeNs listing = static_cast<TimeNs>(report.seconds * static_cast<double>(ns_per_second));
        const TimeNs wait = config_.interval != 0 ? config_.interval : std::max(least_interval, listing);
        HF_TRY_STATUS(work(how, wait));
        HF_TRY(const ReplicaFigures figures, state_->figures());
        ReplicaEvent event;
        event.name = config_.name;
        event.listed = report.listed;
        event.applied = applied() - applied_before;
        event.failed = replicator_->failed() - failed_before;
        event.pending = figures.pending;
        event.seconds = report.seconds;
        if (event.failed != 0) event.error = figures.failure;
        if (event.applied != 0 || event.failed != 0) tell(event);
        vain_passes_ = event.applied != 0 ? 0 : vain_passes_ + (event.failed != 0 ? 1 : 0);
        pending_ = figures.pending;
        return {};
    }

    // Until the next listing is due.
    Status work(Replicator::Until how, TimeNs wait) {
        if (how == Replicator::Until::nothing_to_do) return replicator_->work(std::numeric_limits<TimeNs>::max(), how);
        const TimeNs until = system_clock().monotonic() + wait;
        while (!is_stopped() && !is_paused() && system_clock().monotonic() < until)
            HF_TRY_STATUS(replicator_->work(std::min(until, system_clock().monotonic() + ns_per_second), how));
        return {};
    }

    Status run_once() {
        for (;;) {
            HF_TRY_STATUS(pass(Replicator::Until::nothing_to_do));
            if (is_stopped()) return Error(ErrorCode::cancelled, "interrupted");
            if (pending_ == 0) return {};
            if (vain_passes_ >= max_vain_passes) {
                HF_TRY(const ReplicaFigures figures, state_->figures());
                return Error(ErrorCode::unavailable, std::to_string(pending_) + " versions could not be put: " + figures.failure);
            }
            sleep(least_interval);
        }
    }

    Status run_on() {
        for (TimeNs delay = least_interval; !is_stopped();) {
            if (is_paused()) {
                HF_TRY_STATUS(drain());
                sleep(least_interval);
                continue;
            }
            const Status done = pass(Replicator::Until::time);
            if (done.ok()) {
                delay = least_interval;
                continue;
            }
            if (is_stopped()) break;
            HF_TRY_STATUS(state_->set_error(done.error().describe()));
            tell_failure(done.error());
            if (replicator_) HF_TRY_STATUS(replicator_->work(system_clock().monotonic() + delay, Replicator::Until::time));
            else sleep(delay);
            delay = std::min(2 * delay, longest_after_failure);
        }
        return drain();
    }

    // What is being put ends, or is given up; nothing new is begun.
    Status drain() { return replicator_ ? replicator_->end_what_is_begun() : Status(); }

    void tell(const ReplicaEvent& event) const {
        if (request_.on_event) request_.on_event(event);
    }
    void tell_failure(const Error& error) const {
        ReplicaEvent event;
        event.name = config_.name;
        event.pending = pending_;
        event.error = error.describe();
        tell(event);
    }
    void sleep(TimeNs time) const {
        std::mutex mutex;
        std::condition_variable_any wakes;
        std::unique_lock lock(mutex);
        wakes.wait_for(lock, request_.access.stop, std::chrono::nanoseconds(time), [] { return false; });
    }

    const ReplicaConfig& config_;
    const RunReplicasRequest& request_;
    std::unique_ptr<S3Client> source_, target_;
    std::unique_ptr<ReplicaState> state_;
    std::unique_ptr<S3Buckets> buckets_;
    std::optional<Replicator> replicator_;
    unsigned vain_passes_ = 0;
    std::uint64_t pending_ = 0;
};

void run_one(const ReplicaConfig& config, const RunReplicasRequest& request, RunReplicaResult& result) {
    result.name = config.name;
    ReplicaRun run(config, request);
    const Status done = run.run();
    result.applied = run.applied();
    result.pending = run.pending();
    if (done.ok()) return;
    result.status = exit_status_of(done.error());
    result.error = done.error().describe();
}

}  // namespace

Result<std::vector<RunReplicaResult>> run_replicas(const RunReplicasRequest& request) {
    HF_TRY(const std::vector<ReplicaDefinition> replicas, chosen_replicas(request.access.config_file, request.names));
    std::mutex mutex;
    RunReplicasRequest shared = request;
    if (request.on_event)
        shared.on_event = [&mutex, &request](const ReplicaEvent& event) {
            const std::lock_guard lock(mutex);
            request.on_event(event);
        };
    std::vector<RunReplicaResult> results(replicas.size());
    {
        std::vector<std::jthread> threads;
        for (std::size_t i = 0; i < replicas.size(); ++i)
            threads.emplace_back([&, i] { run_one(replicas[i].config, shared, results[i]); });
    }
    return results;
}

}  // namespace holdfast
