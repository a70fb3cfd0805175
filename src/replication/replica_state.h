// What is known of a replica on this machine: which versions there are, and which of them the target has.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "database/database.h"
#include "replication/key_sampler.h"
#include "replication/replica_buckets.h"

namespace holdfast {

// How far a replica is.
struct ReplicaFigures {
    std::uint64_t passes = 0;             // listings of the source that were complete
    std::optional<TimeNs> listed_from;    // when the last of them began
    double listing_seconds = 0;           // what it took
    std::uint64_t listed_versions = 0;    // what it found
    std::uint64_t applied = 0, applied_bytes = 0;  // ever since the state was made
    std::uint64_t pending = 0, pending_bytes = 0;  // versions that wait
    std::optional<TimeNs> oldest_pending;          // when the oldest of them was made
    std::uint64_t failed_keys = 0;                 // whose next version could not be applied
    std::string failed_key, failure;               // one of them
    std::uint64_t gone = 0;      // versions that the source had no longer when their turn came
    std::uint64_t left_out = 0;  // versions that came behind newer ones that were applied already
    std::string error;           // that the last pass ended with; empty: none
    // From the change at the source to its being at the target, of the last 1,000 versions that came after the first
    // pass; 0: none yet.
    double delay_mean_seconds = 0, delay_max_seconds = 0;

    // All that was done at the source up to this moment is at the target. Nothing before the first pass.
    std::optional<TimeNs> consistent_to() const;
};

// A version that waits to be applied.
struct WaitingVersion {
    SourceVersion version;
    bool is_begun = false;  // the target may have it
};
// Those of one key, oldest first.
struct WaitingKey {
    std::string key;
    std::string last_id;  // of the newest version at the target that is known
    std::vector<WaitingVersion> versions;
};

// What has become of one that was begun.
struct AppliedVersion {
    SourceVersion version;
    // gone: the source has it no longer. unclear: failed, and the target may have it nevertheless.
    enum class Kind : std::uint8_t { applied, gone, failed, unclear, not_tried } kind = Kind::applied;
    std::string target_id;  // applied
    VersionLock lock;
    std::string error;  // failed, unclear
    TimeNs at = 0;      // by the source's time
};

// Of an applied version, for looks at its lock and for checks.
struct KnownVersion {
    SourceVersion version;  // of which the ETag is not kept
    std::string target_id;  // empty: it is not there yet
    VersionLock lock;
};

// A file of SQLite, a row for each version that was ever listed (some 250 bytes). For one thread. What a
// function that changes it has done survives a crash when it has returned. Errors: of the database.
class ReplicaState {
  public:
    // `sides` says which buckets it is about. A damaged file is made anew: the target tells what it has. Errors: conflict
    // for one of other buckets.
    static Result<std::unique_ptr<ReplicaState>> open(const std::string& path, const std::string& sides);
    // Only to be looked at. Errors: not_found when there is none.
    static Result<std::unique_ptr<ReplicaState>> open_existing(const std::string& path);

    // Nobody has looked at the target yet: it may have what this state does not know.
    Result<bool> is_new();
    Status set_looked_at();

    // A listing begins. What an earlier one had not finished is forgotten. Returns where it may be divided: up to three keys
    // that part what the last one found into parts of about the same size, none where that was less than 4,000 versions.
    Result<std::vector<std::string>> begin_listing();
    // Of the versions of each range in the order of the listing. They wait from the moment on when all of their key are listed: a key may be
    // listed up to its older versions only.
    Status add_listed(std::size_t range, const SourceVersion& version);
    // Makes durable what was added.
    Status flush_listed();
    Status end_listing(TimeNs began, double seconds);
    Status set_error(const std::string& error);

    // The next key, from `from` on, whose versions wait and may be tried at `now`, with the first of them.
    Result<std::optional<WaitingKey>> next_waiting(const std::string& from, TimeNs now, std::size_t max_versions);
    // The target may have these from now on.
    Status set_begun(std::span<const WaitingKey> keys);
    Status record(std::span<const AppliedVersion> results);
    // All of a key that wait, whether they may be tried or not.
    Result<std::vector<SourceVersion>> waiting_of(const std::string& key);
    // All of a key, oldest first.
    Result<std::vector<KnownVersion>> known_of(const std::string& key);

    // Versions whose locks nobody has looked at for the longest time.
    Result<std::vector<KnownVersion>> oldest_looks(std::size_t count);
    // Nothing as a lock: it is gone at the source, and is not looked at again.
    Status record_look(const KnownVersion& version, const std::optional<VersionLock>& lock, TimeNs now);

    Result<ReplicaFigures> figures();

  private:
    struct Fresh {
        SourceVersion version;
        std::int64_t sequence = 0;
        bool is_late = false;
    };
    // Where the listing of a range is.
    struct Range {
        std::string key;  // that is being listed
        bool has_key = false, met_known = false;
        bool is_cut = false;  // some of the key were written before all of them were listed
        std::int64_t index = 0;  // in the key
        std::vector<Fresh> fresh;
    };
    explicit ReplicaState(std::unique_ptr<Database> database) : database_(std::move(database)) {}
    Status prepare();
    Result<std::int64_t> number(const char* name);
    Result<std::string> text(const char* name);
    template <typename Value>
    Status set(const char* name, const Value& value);
    Status finish_key(Range& range);
    Status write_fresh(Range& range);
    Status record_one(const AppliedVersion& result);
    Status record_applied(const AppliedVersion& result);
    Status record_failed(const AppliedVersion& result);
    Result<std::string> last_id_of(const std::string& key);
    static SourceVersion version_in(const Statement& row);
    static Result<std::vector<KnownVersion>> known_in(Statement& rows);

    std::unique_ptr<Database> database_;
    std::map<std::string, Statement> statements_;
    Statement& statement(const char* name) { return statements_.at(name); }

    // Of the listing that goes on.
    std::int64_t pass_ = 0;
    std::vector<Range> ranges_;
    KeySampler sampler_;
    std::uint64_t listed_ = 0;
};

}  // namespace holdfast
