// An open repository: its keys, index, restore points. docs/format.md.
#pragma once

#include <functional>
#include <set>

#include "base/clock.h"
#include "format/config.h"
#include "format/lease.h"
#include "format/restore_point.h"
#include "repository/chunk_reader.h"
#include "repository/clear_objects.h"
#include "repository/client_state.h"
#include "repository/clients.h"
#include "repository/member_cache.h"
#include "storage/cache/cached_storage.h"
#include "storage/listings_ahead.h"

namespace holdfast {

// How to open a repository: exactly one is set.
struct Unlock {
    std::optional<SecretKey> key_file;
    std::optional<SecretKey> recovery;
    std::optional<std::string> passphrase;
};

// What is known of a restore point without reading its tree.
struct PointInfo {
    RestorePointId id{};
    SourceId source{};
    std::uint64_t inverted_time = 0;
    std::uint64_t object_bytes = 0;
    RestorePointRecord record;
    bool is_deleted = false;
    bool is_held = false;
    // Its session was taken for dead by a pruner, and nobody has checked it since. Known by points() only.
    bool is_unverified = false;
    // A write-only client has made it; which one, as long as no fragment has folded the point.
    bool is_claim = false;
    std::optional<KeySlotId> client{};
    // Something that it refers to was lost, as a repair found: nobody builds on it.
    bool is_incomplete = false;
    // Its record cannot be read: only id, source and time are known.
    bool is_damaged = false;
    // Why: `corrupt`, or `unsupported` for one that a newer program has written.
    std::optional<Error> damage{};
};

// What a restore point's name in the storage says.
struct PointName {
    SourceId source{};
    std::uint64_t inverted_time = 0;
    RestorePointId id{};
};
std::optional<PointName> parse_point_name(std::string_view name);
std::string point_name(const PointName& name);
std::string mark_name(const RestorePointId& point, MarkKind kind);
// So that names sort newest first.
inline std::uint64_t inverted_time_of(TimeNs time) {
    return UINT64_MAX - static_cast<std::uint64_t>(time < 0 ? 0 : time);
}

// What a new repository is to be like.
struct RepositoryForm {
    bool has_parity = true;
    LockRules lock{};
};

class FragmentMerger;
class Lease;
struct WriterIdentity;

// Thread-safe after open().
class Repository {
  public:
    // The secret of the first slot to make, and of the recovery slot.
    struct NewKeys {
        SecretKey key_file;
        SecretKey recovery;
    };
    // Called before there is a repository: a key that was not kept in time would leave one that nobody
    // can open.
    using KeepKeys = std::function<Status(const NewKeys&, const RepositoryId&)>;
    static Status keep_nothing(const NewKeys&, const RepositoryId&) { return {}; }
    // Makes a repository in an empty storage. `like` gives hash and chunker keys, so that copies
    // between both deduplicate. Errors: already_exists; unsupported for locks that the storage has not.
    static Result<NewKeys> init(Storage& storage,
                                const Repository* like,
                                const std::optional<std::string>& passphrase,
                                const KeepKeys& keep,
                                const Clock& clock,
                                Random& random,
                                const RepositoryForm& form = {});
    // What comes first. Who reads one restore point asks for marks, points, and the object of the point: far away the first two
    // are asked for while the keys are, and all of a point of up to 4 MiB is with its end.
    enum class OpenFor : std::uint8_t { anything, reading_a_point };
    // `cache_directory` may be empty: then nothing is cached on disk. Errors: not_found when there
    // is no repository, wrong_key, unsupported for a newer format, corrupt.
    static Result<std::unique_ptr<Repository>> open(std::unique_ptr<Storage> storage,
                                                    const Unlock& unlock,
                                                    const std::string& cache_directory,
                                                    const Clock& clock,
                                                    Random& random,
                                                    OpenFor purpose = OpenFor::anything);

    Storage& storage() { return *storage_; }
    // For who has to know what is stored, not what was once read: nothing is taken from the local cache any more.
    // Nobody else may use the repository meanwhile; what chunks() has returned before is gone.
    void read_past_cache();
    const Keyring& keyring() const { return *keyring_; }
    const ConfigRecord& config() const { return config_; }
    const SecretKey& master() const { return master_; }
    const Clock& clock() const { return clock_; }
    Random& random() { return random_; }
    // Empty: nothing is cached on disk.
    const std::string& cache_directory() const { return cache_directory_; }
    MemberCache& members() { return *members_; }
    Clients& clients() { return *clients_; }

    // Read at first use: every fragment, and every point that no fragment has folded.
    Result<Index*> index();
    // Reads it anew: what was listed before a lease was taken may be gone. Nobody else may use the
    // repository meanwhile.
    Status reload_index();
    // Adds what was stored since it was read. What was removed meanwhile stays in it.
    Status update_index();
    // Has the index know what a point holds that was stored, perhaps, after the index was read. Asks for nothing when it does.
    Status know_point(const PointInfo& point);
    // Reads through index(), which must have succeeded.
    Result<ChunkReader*> chunks();

    // Containers that no fragment names: of a session that still runs or has died, or because a
    // fragment is lost. `take` gets what their tables say, in parts of at most 65,536 chunks and one
    // container. What cannot be read is passed over; with Trust::nothing, also what a crash of the machine
    // has torn, which only reading all of it tells.
    using TakeFragment = std::function<Status(IndexFragmentRecord)>;
    enum class Trust : std::uint8_t { tables, nothing };
    Status unindexed_packs(const std::optional<SessionId>& session, Trust trust, const TakeFragment& take);
    // Adds all of them to the index of this process, at the first call. Returns their ids.
    Result<std::set<ObjectId>> find_unindexed();
    // For who looks for a chunk in vain: adds fragments that were stored since the index was read, each time, and
    // at the first call what no fragment names. Costs a listing of the fragments when there is nothing new.
    Status find_more();

    // All points, or those of one source, newest first within a source. Errors: permission_denied for a write-only
    // key.
    Result<std::vector<PointInfo>> points(std::optional<SourceId> source);
    // Those of a source that this write-only client has made, and whose keys it has kept.
    Result<std::vector<PointInfo>> own_points(const SourceId& source);
    // From now on this client knows nothing of the point, and takes it for no parent.
    void forget_own_point(const RestorePointId& point);
    // What this client knows of its own containers, in a session that has read the tombstones: those that are gone
    // go from what it keeps.
    Status look_at_own_containers();
    // Keeps what this client has to know of what it has stored. What fails costs the next backup more, no point.
    void keep_own();
    // A client remembers its sessions until they have given back their leases, and ends those that have died.
    void note_own_session(const LeaseRecord& lease);
    void forget_own_session(const SessionId& session);
    Status end_own_dead_sessions(const WriterIdentity& identity);

    // Shows `choose` the points of each source (or one), newest first, without the partial ones, and
    // returns what it takes: at most one of a source. Reads no point beyond that, no index and no fences (a request
    // more): a session that could not verify its point has marked it deleted.
    enum class Choice { take, next_point, next_source };
    Result<std::vector<PointInfo>> latest(std::optional<SourceId> source,
                                          const std::function<Choice(const PointInfo&)>& choose);

    // Stores a small sealed object. `name` is below the kind's folder.
    Status put_record(ObjectKind kind,
                      const std::string& name,
                      ByteSpan record,
                      Durability durability);
    struct StoredRecord {
        Bytes data;
        // A write-only client may have stored it; or, in clear, anybody. For a write-only client also what a reader
        // has stored in an earlier epoch.
        bool is_claim = false;
    };
    Result<StoredRecord> get_record(ObjectKind kind, const std::string& name);

    // Makes what a fragment says known to the index, and notes it for folding.
    // Returns its stored bytes.
    // Under a lease, which is confirmed at the last moment: what a session names that was forgotten may be gone.
    Result<std::uint64_t> store_fragment(IndexFragmentRecord record, Lease& lease);
    // The same for the chunks in a restore point's own object.
    void add_point_to_index(const PointName& name,
                            const EnvelopeHeader& header,
                            const ObjectTable& table,
                            std::uint64_t object_bytes);
    // Folds points and fragments into a tier when enough of them wait. docs/format.md#folding.
    // Returns the stored bytes of the fold; 0 when there was none.
    Result<std::uint64_t> fold(Lease& lease);

    // Shows `visit` every fragment that is stored, and whether another one has taken its place. Damaged
    // ones are an error: corrupt.
    using VisitFragment = std::function<Status(
        const ObjectInfo& info, const FlatFragment& fragment, bool is_superseded)>;
    Status for_each_fragment(const VisitFragment& visit);
    // Puts `record` in the place of the fragment of this name; an empty one is only removed. Returns the
    // stored bytes of the new one.
    Result<std::uint64_t> replace_fragment(const std::string& name, IndexFragmentRecord record, Lease& lease);

    // Excludes from the index what is not in the storage, or not of its size: a full backup trusts
    // nothing that it can check with a listing.
    Status exclude_lost_containers();
    // How many containers the index names that are not in the storage as it says, and that no prune has condemned. Costs a
    // listing of all containers, and of the tombstones.
    Result<std::uint64_t> count_lost_containers();

    Status set_mark(const PointInfo& point, MarkKind kind, const std::string& reason);
    Status clear_mark(const PointInfo& point, MarkKind kind);
    // All marks of a point that is no more.
    Status remove_marks(const RestorePointId& point);
    // Those of points that are gone: a prune that died has left them.
    Status remove_stray_marks();
    // Objects with the ids of points, or copies of fragments, under other names: whoever may store objects can add them, and nobody
    // goes by them. One that the storage does not let go stays.
    Status remove_false_points(const std::vector<PointInfo>& points);
    Status remove_false_fragments();

    // Repository bytes and objects, by folder.
    struct Usage {
        std::uint64_t objects = 0;
        std::uint64_t bytes = 0;
    };
    Result<std::map<std::string, Usage>> usage();

  private:
    Repository(std::unique_ptr<Storage> storage, const Clock& clock, Random& random)
        : storage_(std::move(storage)), clock_(clock), random_(random) {}

    // Adds what the index does not have yet. Points are listed before fragments: what a point refers
    // to was stored before it.
    void make_chunk_reader();
    Result<Index*> index_after(const std::vector<ObjectInfo>* points);
    Status load_index(const std::vector<ObjectInfo>* listed = nullptr);
    void load_own_index();
    using StoredContainers = std::unordered_map<std::string, std::uint64_t>;  // name -> bytes
    Result<StoredContainers> list_containers();
    // Those that the index names and that are not there as it says.
    static std::set<ObjectId> lost_containers(const Index& known, const StoredContainers& present);
    struct Loading;
    Result<bool> load_listed(Loading& loading);
    Result<bool> has_new_fragments();
    Status add_unindexed();
    Status load_points(const std::vector<ObjectInfo>& points);
    // Reads the ends of points, and calls `take` in their order.
    using TakeEnd = std::function<Status(const ObjectInfo& info, const Result<ObjectEnd>& end)>;
    Status read_point_ends(std::span<const ObjectInfo> points, const TakeEnd& take);
    Status refresh_index(const std::vector<ObjectInfo>& points);
    // Null when it is not what its name says: it is passed over then. Errors: corrupt; of the storage.
    Result<std::shared_ptr<FlatFragment>> load_fragment(const ObjectInfo& info);
    // Laid out in the local cache when it is large, else in memory.
    Result<std::shared_ptr<FlatFragment>> cached_fragment(const std::string& name,
                                                          const IndexFragmentRecord& record) const;
    void add_fragment(const ObjectId& id, std::shared_ptr<FlatFragment> fragment);
    void use_directory();
    Status check_reader() const;
    Status check_maker(const ObjectEnd& end, const RestorePointId& point, const std::string& host);
    // What the point's end says, when that is what its name says. Errors: corrupt.
    Result<RestorePointRecord> point_record_of(const ObjectEnd& end, const PointName& name, const std::string& object) const;
    Result<PointInfo> checked_point(const ObjectInfo& info, const PointName& name, const ObjectEnd& end);
    Result<PointInfo> point_or_damage(const ObjectInfo& info, const PointName& name, const Result<ObjectEnd>& end);
    Result<PointInfo> read_point_or_damage(const ObjectInfo& info, const PointName& name);
    // Has all of its object at hand, for who opened the repository to read it. Of many points only the first are worth it.
    static constexpr std::size_t most_fetched_whole = 2;
    void fetch_point(const ObjectInfo& info);
    // Those that are gone are left out. Of objects with one id the one that is what its name says.
    using ReadPoints = std::unordered_map<RestorePointId, PointInfo, IdHash<RestorePointId>>;
    Result<ReadPoints> read_points(std::span<const ObjectInfo> objects);
    bool names_condemned(const FlatFragment& fragment) const;
    struct FoldCandidates;
    Result<FoldCandidates> fold_candidates();
    Status merge_point(const ObjectInfo& info, const ObjectEnd& end, FragmentMerger& merger);
    // Whether this writer, of all that are at work, is to fold what waits.
    Result<bool> is_turn_to_fold(std::size_t waiting);
    // Whether there is one that is not known.
    Result<bool> has_fold_beside(const std::set<ObjectId>& known);
    void tidy_fragment_cache(const std::vector<ObjectInfo>& stored) const;

    // Of immutable objects: through the local cache, when the storage is far away.
    Storage& reads() { return cache_ != nullptr ? *cache_ : *storage_; }

    std::unique_ptr<Storage> storage_;
    std::unique_ptr<CachedStorage> cache_;
    OpenFor purpose_ = OpenFor::anything;
    ListingsAhead ahead_;
    const Clock& clock_;
    Random& random_;
    ConfigRecord config_;
    SecretKey master_;
    std::unique_ptr<Keyring> keyring_;
    std::unique_ptr<Clients> clients_;
    std::shared_ptr<ClientState> own_;  // for a write-only client with a local cache
    std::string cache_directory_;
    std::unique_ptr<MemberCache> members_;

    std::mutex index_mutex_;  // guards loading; the index guards itself
    bool index_loaded_ = false, is_own_index_loaded_ = false;
    bool index_has_gaps_ = false;  // a fragment could not be read
    std::optional<std::set<ObjectId>> unindexed_;  // found and added
    std::set<ObjectId> superseded_, loaded_fragments_;
    std::map<ObjectId, std::size_t> fragment_numbers_;  // in the index, of those that are large
    std::set<RestorePointId> folded_, loaded_points_;
    Index index_;
    std::optional<ChunkReader> chunks_;
};

}  // namespace holdfast
