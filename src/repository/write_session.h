// One writer's work: chunks into packs, packs into the index, all sealed by a restore point.
// docs/format.md#commit.
#pragma once

#include <atomic>
#include <unordered_set>

#include "repository/leases.h"
#include "repository/locks.h"
#include "repository/pack_writer.h"

namespace holdfast {

// At least so often, a fragment names what was stored. An interruption between two fragments costs no
// data (packs are adopted), but their tables must be read again: that is cheap for a gibibyte.
inline constexpr std::uint64_t checkpoint_bytes = 1u << 30;
inline constexpr TimeNs checkpoint_interval = 300 * ns_per_second;

// claim, append, contains, new_bytes and maybe_checkpoint are thread-safe; the rest is for one thread.
// Memory: what is known of chunks that no fragment names yet, about 200 bytes each, for 65,536 chunks
// and those of the open packs; the pack writers' bounds; and where objects are locked, 250 bytes for each object that content was
// found in.
class WriteSession {
  public:
    // Takes a lease, reads the index anew, and adopts what interrupted sessions of this machine left.
    // Nobody else may use the repository meanwhile. Errors: of storage.
    static Result<std::unique_ptr<WriteSession>> begin(Repository& repository,
                                                       const WriterIdentity& identity);
    // Without commit: everything written so far stays as garbage, or is adopted by the next session.
    ~WriteSession();

    SessionId id() const { return lease_.session(); }
    // All chunks will come in the order of a restore. Before any comes.
    void write_in_order();
    // Whether somebody has stored this part of the chunk, where it stays.
    bool contains(const ChunkId& id, const ChunkRange& part = whole_chunk) const;
    // True when nobody has the chunk: the caller must append it.
    bool claim(const ChunkId& id);
    Status append(EncodedChunk chunk);
    // Bytes of new data since the session began, stored form.
    std::uint64_t new_bytes() const;

    // Writes a fragment for what is stored, when enough was stored since the last one; renews the lease
    // when it is time.
    Status maybe_checkpoint();
    // For who has nothing to store for long.
    Status renew_lease();
    // Before anything is taken away. Errors: conflict when a prune has forgotten this session.
    Status confirm();
    // Makes everything that was appended durable and known. Nothing may be appended meanwhile.
    Status store();
    Result<std::uint64_t> replace_fragment(const std::string& name, IndexFragmentRecord record);
    // A fragment for packs that another session has left. Their data is made durable before, for nobody else has
    // seen to that.
    Status name_packs(IndexFragmentRecord found);
    // What the repository grew by in this session.
    std::uint64_t stored_bytes() const { return stored_bytes_; }
    // Makes everything that was appended durable and known, and `record` (a partial point, whose
    // tree refers to nothing else) the parent of the next run, should this one be interrupted. It
    // takes the place of this session's last partial point. Nothing may be appended meanwhile.
    Status put_partial(RestorePointRecord record);
    // Packs, index, restore point, in this order; then reads the fences: if a pruner took this session for
    // dead, all that the point refers to is looked for, and what is condemned is stored again. At the end
    // folds the index, and gives the lease back. Returns the point's id; on return it is durable.
    // Errors: conflict when something is gone: the point is not acknowledged, and is no parent.
    struct Committed {
        RestorePointId id{};
        std::uint64_t stored_bytes = 0;  // what the repository grew by in this session
    };
    Result<Committed> commit(const RestorePointRecord& record);
    // What is behind an error of this session: conflict when a pruner took it for dead, and so took away
    // what it was reading.
    Error explain(Error error);
    // Keeps what was stored for the next session, without a restore point.
    Status abandon();

  private:
    WriteSession(Repository& repository, Lease lease);
    void open_packs();
    bool is_stored(const ChunkId& id, const ChunkRange& part) const;
    Status adopt_leftovers(const std::vector<HeldLease>& leases, const WriterIdentity& identity);
    Status adopt_names();
    Status adopt(const LeaseRecord& lease, const WriterIdentity& identity);
    void collect(PackWriter& packs);
    Status write_fragment();
    using Chunks = std::vector<EncodedChunk>;
    Result<PointName> put_point(const RestorePointRecord& record, std::span<Chunks> chunks);
    Status verify(const RestorePointRecord& record, const RestorePointId& point);
    Result<bool> read_condemned();
    Status store_condemned_again(const RestorePointRecord& record);
    Status verify_if_fenced(const PointName& name);
    Status confirm_end(const RestorePointId& point);
    void hide(const RestorePointId& id);
    Status set_verified(const RestorePointId& point);
    Status store_again(const ChunkId& id, const ChunkRange& part);
    void fold();
    void remove_partial();

    Repository& repository_;
    Index* index_ = nullptr;
    Lease lease_;  // renewed under fragment_mutex_
    std::uint64_t optional_features_ = 0;  // of containers
    std::unique_ptr<PackWriter> data_, metadata_;

    struct Shard {
        std::mutex mutex;
        std::unordered_set<ChunkId, IdHash<ChunkId>> ids;
    };
    mutable std::array<Shard, 16> claimed_;
    std::optional<std::string> partial_;  // the name of the last one
    // Where objects are locked: what this session takes over must stay as long as what it stores.
    const bool notes_taken_;
    mutable std::mutex taken_mutex_;  // guards what follows
    mutable ForeignContainers taken_;

    std::mutex fragment_mutex_;          // guards what follows
    IndexFragmentRecord fragment_;       // of packs that were closed since the last fragment
    std::uint64_t fragment_bytes_ = 0;   // stored bytes that it names
    std::uint64_t stored_bytes_ = 0;
    TimeNs last_fragment_ = 0;
};

}  // namespace holdfast
