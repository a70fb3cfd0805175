// The storage seam: where a repository's bytes are kept. Names are written once: an object is
// never changed, only removed, or written again as it was after damage. Every storage runs tests/contract/storage_contract.h.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/byte_rate.h"
#include "base/backoff.h"
#include "base/bytes.h"
#include "base/environment.h"
#include "base/result.h"
#include "storage/cold_tier.h"

namespace holdfast {

struct ObjectInfo {
    std::string name;
    std::uint64_t bytes = 0;
    // Of head() alone: something that follows another bucket has put it here.
    bool is_replica = false;
    bool operator==(const ObjectInfo&) const = default;
};

// How soon a put must survive a crash of the machine.
enum class Durability {
    deferred,  // after the next barrier()
    immediate,  // when put or commit returns
    none,      // may be lost in a crash (a lease)
};

// The numbers are stored.
enum class LockMode : std::uint8_t {
    governance = 1,  // whoever has a special permission may take a lock away
    compliance = 2,  // nobody may
};

// Below this are objects that locks were tried with.
inline constexpr char probe_folder[] = "probes/";

// A storage's promise that objects stay, whoever asks for their removal. Thread-safe.
class RetentionLock {
  public:
    virtual ~RetentionLock() = default;
    // From now on what is put under a name that `is_locked` takes stays until so much later.
    virtual void lock_new(LockMode mode, TimeNs duration, std::function<bool(const std::string&)> is_locked) = 0;
    // The time that locks go by: the storage's.
    virtual TimeNs now() const = 0;
    // Until when it stays; nothing: it may go. Errors: not_found.
    virtual Result<std::optional<TimeNs>> locked_until(const std::string& name) = 0;
    // It stays at least until then. Errors: not_found, permission_denied.
    virtual Status extend(const std::string& name, TimeNs until) = 0;
    // Tries whether locks do what they promise, with an object that is locked for a minute; some servers say yes and
    // do nothing. Errors: unsupported.
    virtual Status prove(LockMode mode) = 0;
};

// What a storage is like.
struct StorageTraits {
    // A request takes milliseconds, whatever it moves: fewer, larger and more at once are better.
    bool is_remote = false;
};

// An object that is written piece by piece; nobody sees it before commit(). Destroyed without
// commit, it leaves nothing. For one thread at a time.
class ObjectWriter {
  public:
    virtual ~ObjectWriter() = default;
    // Errors: out_of_space, unavailable, permission_denied. After an error: only destruction.
    virtual Status append(ByteSpan data) = 0;
    // Errors: already_exists when another object has taken the name (after begin()).
    virtual Status commit(Durability durability) = 0;
};

// Thread-safe. Read-after-write is demanded; list() may be behind and is used only to find points,
// fragments, leases and marks, and for pruning.
// Names are ASCII: components of [a-z0-9.-], separated by '/'.
class Storage {
  public:
    virtual ~Storage() = default;

    // What it is, for messages: a path or a URL without secrets.
    virtual std::string description() const = 0;
    virtual StorageTraits traits() const { return {}; }
    // Null when it has no locks. Lives as long as the storage.
    virtual RetentionLock* retention() { return nullptr; }
    // Null when all of it can be read at any time. Lives as long as the storage.
    virtual ColdTier* cold_tier() { return nullptr; }
    // Stores a whole object if its name is free. Errors: already_exists, out_of_space, ....
    virtual Status put(const std::string& name, ByteSpan data, Durability durability) = 0;
    virtual Result<std::unique_ptr<ObjectWriter>> begin(const std::string& name) = 0;
    // The same for an object that takes the place of a damaged one: whatever happens, the name has the one or the
    // other. When somebody has removed that meanwhile, commit() leaves it so: not_found.
    virtual Result<std::unique_ptr<ObjectWriter>> begin_again(const std::string& name) = 0;
    // Makes everything put with Durability::deferred, and every removal, survive a crash.
    virtual Status barrier() = 0;
    // An object that a process put which is gone: makes it survive a crash after the next barrier, as one of
    // this process. Errors: not_found.
    virtual Status adopt(const std::string& name) = 0;

    // Fills `out` from `offset` on. Errors: not_found; corrupt when the object ends before.
    Status read(const std::string& name, std::uint64_t offset, MutableByteSpan out);
    // As much of that as there is, from `offset` on; 0 when the object ends before. Errors: not_found; frozen, as for
    // all that read.
    virtual Result<std::size_t> read_some(const std::string& name, std::uint64_t offset, MutableByteSpan out) = 0;
    // The whole object, in one request. Errors: not_found; corrupt when it is larger than
    // `limit_bytes`.
    virtual Result<Bytes> get(const std::string& name, std::uint64_t limit_bytes) = 0;
    // Errors: not_found.
    virtual Result<ObjectInfo> head(const std::string& name) = 0;
    // Calls `visit` for each object whose name begins with `prefix` (whole components: ends with '/'
    // or is empty), in the order of their names; stops early when it returns false.
    virtual Status list(const std::string& prefix,
                        const std::function<bool(const ObjectInfo&)>& visit) = 0;
    // Removes if it is there: no error when it is not. Errors: refused when it is locked.
    virtual Status remove(const std::string& name) = 0;
};

Result<std::vector<ObjectInfo>> list_objects(Storage& storage, const std::string& prefix);
// Removes the object, unless the storage lets nobody do that.
Status remove_if_allowed(Storage& storage, const std::string& name);

struct StorageOptions {
    BandwidthLimits limits;
    // Of those behind a network.
    std::stop_token stop;  // gives up what is on its way: cancelled
    BackoffPolicy backoff;
    bool wants_locks = false;  // of a bucket that is made
    std::string ca_file;  // certificates that are trusted; empty: the system's
    // Where credentials and the like are looked for; empty: the process's own, which no thread may change.
    Environment environment{};

    Environment environment_or_process() const { return environment ? environment : process_environment(); }
};

// Whether a storage can be at this URL, without a look at it. Errors: invalid_argument.
Status check_storage_url(const std::string& url, const Environment& environment);

// Opens the storage that `url` names; builtin.cc is the list of schemes. A plain path is local.
// With `create`, what is missing of a local path, or a missing bucket, is made; what is there must be empty.
// Errors: not_found, invalid_argument, already_exists.
enum class OpenMode { existing, create };
Result<std::unique_ptr<Storage>> open_storage(const std::string& url,
                                              OpenMode mode,
                                              const StorageOptions& options = {});
// The directory of a local storage; nothing for any other.
std::optional<std::string> local_directory(const std::string& url);

}  // namespace holdfast
