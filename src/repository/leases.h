// Who writes into a repository at this moment, and what the pruner says to them.
// docs/format.md#leases.
#pragma once

#include <map>
#include <set>

#include "repository/repository.h"

namespace holdfast {

// Who writes; what a lease says of it.
struct WriterIdentity {
    std::string host;
    std::string machine_id;
    std::string boot_id;
    std::uint64_t process = 0;
    std::uint64_t process_started = 0;
    std::string pid_namespace{};  // in which `process` is
};
WriterIdentity this_process(const std::string& host);

// A lease as it is found: of each session the last renewal.
struct HeldLease {
    SessionId session{};
    std::vector<std::string> names;      // of all its renewals
    std::optional<LeaseRecord> record;   // unset: torn, damaged, of a newer program
};
Result<std::vector<HeldLease>> list_leases(Repository& repository);
// Whether it is still there as it was found.
Result<bool> holds_lease(Repository& repository, const HeldLease& lease);

// Whether the lease's process was of this machine and is surely gone. Nothing is sure of a process of another PID
// namespace, be it that a container of this machine, or one that was there before it, has the same machine id: its
// lease expires, and so does that of a program that did not name the namespace.
bool is_dead_here(const LeaseRecord& lease, const WriterIdentity& own);
// Whether nobody has renewed it for so long that it may be fenced. Safety does not rest on this: a
// session that is fenced too early finds out at its commit.
bool is_expired(const HeldLease& lease, const WriterIdentity& own, TimeNs now);

// A lease of one session: taken, renewed, given back. Not thread-safe.
class Lease {
  public:
    // A lease is renewed so often, and held for expired after as many as twelve were left out.
    static constexpr TimeNs renewal_interval = 600 * ns_per_second;
    // A session that was fenced so long ago is forgotten: a prune removes its lease. Should it go on after all, it finds
    // that the lease is gone.
    static constexpr TimeNs forgotten_after = TimeNs{90} * 24 * 3600 * ns_per_second;

    static Result<Lease> take(Repository& repository, const WriterIdentity& identity);
    SessionId session() const { return record_.session; }
    // Renews it when it is time. Errors: of the storage; the old lease still stands then.
    Status maybe_renew();
    // Whether it is still there. Called right before anything is stored that others rely on: nothing else keeps a
    // session that was forgotten from naming what is gone, so that nobody may sleep for `forgotten_after` in between.
    // Errors: conflict when it is not.
    Status confirm();
    // The same for what is called often: asks once a minute.
    Status maybe_confirm();
    // A lease that stays because this fails is found dead by the next session of this machine.
    void give_back();

  private:
    Lease(Repository& repository, LeaseRecord record) : repository_(&repository), record_(std::move(record)) {}
    Status put();

    Repository* repository_;
    LeaseRecord record_;
    std::string name_;
    TimeNs renewed_ = 0;    // monotonic
    TimeNs confirmed_ = 0;  // of the clock that goes on while the machine sleeps
    bool is_lost_ = false;  // it was renewed when it was gone already
};

// Sessions that a pruner took for dead: few, as a rule.
Result<std::set<SessionId>> list_fences(Storage& storage);
// Those that a pruner has put there, as far as this key can tell: a write-only client takes them all.
Result<std::set<SessionId>> list_fences_of_pruners(Repository& repository);
// Whether there was none before.
Result<bool> put_fence(Repository& repository, const SessionId& session);
Status remove_fence(Repository& repository, const SessionId& session);
// When that was; nothing where no reader has signed the fence.
Result<std::optional<TimeNs>> fence_time(Repository& repository, const SessionId& session);
// Errors: of the storage.
Result<bool> is_fenced(Repository& repository, const SessionId& session);
// The same, and that a pruner has put it there: write-only clients can store objects under such names too. A fence that
// is damaged is none. What rests on it is only who may lose a point.
Result<bool> is_fenced_by_pruner(Repository& repository, const SessionId& session);

// What pruners have condemned and nobody may rely on.
struct Tombstone {
    std::string name;
    TombstoneRecord record;
};
// Those that no reader has signed are passed over; by a write-only client, which does without what they name, they are not.
// Errors: permission_denied for one that a write-only client cannot read.
Result<std::vector<Tombstone>> read_tombstones(Repository& repository);
// Stores one, durable, and returns its name.
Result<std::string> put_tombstone(Repository& repository, const TombstoneRecord& record);

}  // namespace holdfast
