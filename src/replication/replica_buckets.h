// What a replica needs of its two buckets: s3_buckets.h has the real ones, the tests a model.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "replication/version.h"
#include "s3/object_lock.h"

namespace holdfast {

// What has become of a put.
struct PutOutcome {
    std::string id;    // of the new version at the target
    VersionLock lock;  // that it has there
    std::optional<Error> error;
    // With an error: whether the target may have the version nevertheless. Then it has to be looked at before the next try.
    bool may_be_there = false;
    // With an error: the source has the version no longer.
    bool is_gone = false;
};

// Keys are relative to the prefixes. Thread-safe. Errors: of the services; cancelled.
class ReplicaBuckets {
  public:
    virtual ~ReplicaBuckets() = default;

    // All versions of the source, in ranges of keys that may be listed at the same time: those up to the first border, those
    // behind it up to the second one, and so on. Of one range they come by their keys, of one key the newest first, until
    // `visit` fails, which is called by one thread at a time.
    using VisitVersion = std::function<Status(std::size_t range, SourceVersion& version)>;
    virtual Status list_source(std::span<const std::string> borders, const VisitVersion& visit) = 0;
    // Makes it the newest version of its key at the target, or marks the key as deleted.
    virtual PutOutcome put(const SourceVersion& version) = 0;
    // Gives an object that an earlier put has left at the target what may still be missing there: tags, its lock. Returns the
    // lock that it has then.
    virtual Result<VersionLock> mend(const SourceVersion& version, const std::string& target_id) = 0;
    // The target's versions of one key that came after the one with the id `after` (empty: all), oldest first, with marks.
    virtual Result<std::vector<TargetVersion>> newer_at_target(const std::string& key, const std::string& after) = 0;
    // All versions of the target by their keys, of one key the oldest first, with marks.
    using VisitKey = std::function<Status(const std::string& key, std::span<const TargetVersion> versions)>;
    virtual Status list_target(const VisitKey& visit) = 0;

    // Whether versions may be locked.
    virtual bool has_locks() const = 0;
    // Has the target's version locked as the source's is, if it is locked less; returns the lock that it has then. Nothing:
    // the source has the version no longer.
    virtual Result<std::optional<VersionLock>> follow_lock(const SourceVersion& version,
                                                           const std::string& target_id,
                                                           const VersionLock& known) = 0;
    // The time as the source has it.
    virtual TimeNs now() const = 0;
};

}  // namespace holdfast
