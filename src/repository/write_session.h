// One writer's work: chunks into packs, packs into the index, all sealed by a restore point.
// docs/format.md#commit.
#pragma once

#include <atomic>
#include <unordered_set>

#include "repository/pack_writer.h"
#include "repository/repository.h"

namespace holdfast {

// Who writes; what a lease says of it.
struct WriterIdentity {
    std::string host;
    std::string machine_id;
    std::string boot_id;
    std::uint64_t process = 0;
    std::uint64_t process_started = 0;
};
WriterIdentity this_process(const std::string& host);

// At least so often, a fragment names what was stored. An interruption between two fragments costs no
// data (packs are adopted), but their tables must be read again: that is cheap for a gibibyte.
inline constexpr std::uint64_t checkpoint_bytes = 1u << 30;
inline constexpr TimeNs checkpoint_interval = 300 * ns_per_second;

// claim, append, contains, new_bytes and maybe_checkpoint are thread-safe; the rest is for one thread.
// Memory: what is known of chunks that no fragment names yet, about 200 bytes each, for 65,536 chunks
// and those of the open packs; and the pack writers' bounds.
class WriteSession {
  public:
    // Takes a lease, and adopts what interrupted sessions of this machine left. Errors: of storage.
    static Result<std::unique_ptr<WriteSession>> begin(Repository& repository,
                                                       const WriterIdentity& identity);
    // Without commit: everything written so far stays as garbage, or is adopted by the next session.
    ~WriteSession();

    SessionId id() const { return lease_.session; }
    bool contains(const ChunkId& id) const;
    // True when nobody has the chunk: the caller must append it.
    bool claim(const ChunkId& id);
    Status append(EncodedChunk chunk);
    // Bytes of new data since the session began, stored form.
    std::uint64_t new_bytes() const;

    // Writes a fragment for what is stored, when enough was stored since the last one.
    Status maybe_checkpoint();
    // Makes everything that was appended durable and known, and `record` (a partial point, whose
    // tree refers to nothing else) the parent of the next run, should this one be interrupted. It
    // takes the place of this session's last partial point. Nothing may be appended meanwhile.
    Status put_partial(RestorePointRecord record);
    // Packs, index, restore point, in this order; then reads the fences. Returns the point's id; on
    // return it is durable. Errors: conflict when a pruner fenced this session off.
    struct Committed {
        RestorePointId id{};
        std::uint64_t stored_bytes = 0;  // what the repository grew by in this session
    };
    Result<Committed> commit(const RestorePointRecord& record);
    // Keeps what was stored for the next session, without a restore point.
    Status abandon();

  private:
    WriteSession(Repository& repository, LeaseRecord lease);
    Status put_lease();
    Status adopt_leftovers(const std::vector<ObjectInfo>& leases);
    Status adopt(const SessionId& session);
    void collect(PackWriter& packs);
    Status write_fragment();
    using Chunks = std::vector<EncodedChunk>;
    Result<PointName> put_point(const RestorePointRecord& record, std::span<Chunks> chunks);
    void remove_partial();
    void end_lease();

    Repository& repository_;
    Index* index_ = nullptr;
    LeaseRecord lease_;
    std::string lease_name_;
    std::unique_ptr<PackWriter> data_, metadata_;

    struct Shard {
        std::mutex mutex;
        std::unordered_set<ChunkId, IdHash<ChunkId>> ids;
    };
    mutable std::array<Shard, 16> claimed_;
    std::optional<std::string> partial_;  // the name of the last one

    std::mutex fragment_mutex_;          // guards what follows
    IndexFragmentRecord fragment_;       // of packs that were closed since the last fragment
    std::uint64_t fragment_bytes_ = 0;   // stored bytes that it names
    std::uint64_t stored_bytes_ = 0;
    TimeNs last_fragment_ = 0;
};

}  // namespace holdfast
