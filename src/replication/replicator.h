// Has a target follow its source.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <set>
#include <stop_token>

#include "base/worker_pool.h"
#include "replication/replica_state.h"

namespace holdfast {

// What a pass has found.
struct PassReport {
    std::uint64_t listed = 0;  // versions that the source has
    double seconds = 0;        // that the listing took
};

// A pass lists all versions of the source, and writes down those that are not known; they are applied meanwhile and
// afterwards. Versions of one key are put one after the other, oldest first; what fails has the later ones of its key wait.
// Other keys go on, up to 16 small objects and 4 large ones at once. The state is written by the thread that calls;
// the versions that a crash leaves in doubt are those that are being put, at most 256 small keys and 8 large ones, and
// are looked for at the target before anything is put again.
// For one thread. Memory: 16 times 1 MiB, 4 times what a large object takes (s3_buckets.h), and two pages for each of four ranges
// of the listing.
class Replicator {
  public:
    Replicator(ReplicaBuckets& buckets, ReplicaState& state, const Clock& clock, std::stop_token stop);
    // Waits for what is being put.
    ~Replicator() = default;
    Replicator(const Replicator&) = delete;
    Replicator& operator=(const Replicator&) = delete;

    // Lists the source once. With a new state it also looks at all of the target, so that nothing is put twice. Errors: of
    // the listing (what it has found so far stays); already_exists when a target of a new state has objects that no
    // replica has put there; cancelled; of the state.
    Result<PassReport> pass();
    // Goes on with what waits until `until` (of the clock's monotonic time), or until nothing can be done now.
    enum class Until : std::uint8_t { time, nothing_to_do };
    Status work(TimeNs until, Until how);
    // Waits for what is being put, and begins nothing. Errors: of the state.
    Status end_what_is_begun();
    // The locks that nobody has looked at for the longest time, at most so many. Errors: of the state; what cannot be
    // looked at is looked at again.
    Status follow_locks(std::size_t count);

    // Since it was made.
    std::uint64_t applied() const { return applied_; }
    std::uint64_t failed() const { return failed_; }

  private:
    Status adopt_target();
    // Begins what waits, from where the last call ended.
    Status feed();
    void submit(WaitingKey key);
    void apply(const WaitingKey& key);
    bool look(const WaitingKey& key, std::size_t& known);
    void finish(const AppliedVersion& result);
    Status collect();
    bool is_large(const WaitingKey& key) const;

    ReplicaBuckets& buckets_;
    ReplicaState& state_;
    const Clock& clock_;
    const std::stop_token stop_;

    // Of the calling thread.
    bool knows_target_ = false;     // nothing is put before
    std::string from_;              // where to go on among what waits; a sweep begins with nothing
    bool is_quiet_sweep_ = false;   // nothing was busy when the sweep began, and nothing was begun by it
    std::set<std::string> busy_;    // keys of which versions are being put
    std::size_t busy_large_ = 0;    // of them, those with large objects
    std::set<std::string> large_;
    std::uint64_t applied_ = 0, failed_ = 0;

    std::mutex mutex_;  // guards what follows
    std::condition_variable_any done_;
    std::vector<AppliedVersion> results_;
    std::vector<std::string> ended_;  // keys

    WorkerPool small_pool_, large_pool_;  // last: their threads use all of it
};

}  // namespace holdfast
