// A pruner at work: what prune.h does, step by step. docs/format.md#pruning.
#pragma once

#include <map>
#include <mutex>

#include "base/lending_pool.h"
#include "repository/compression.h"
#include "repository/container_use.h"
#include "repository/prune.h"
#include "repository/write_session.h"

namespace holdfast {

// How a point is marked: of one that is not whole, what is there stays.
ChunkMarker::Damage damage_of(const PointInfo& point);

enum class Fate : std::uint8_t { stays, goes, is_rewritten };

class Prune {
  public:
    Prune(Repository& repository,
          const PruneOptions& options,
          const WriterIdentity& identity,
          Progress& progress,
          std::stop_token stop)
        : repository_(repository),
          storage_(repository.storage()),
          options_(options),
          identity_(identity),
          progress_(progress),
          stop_(std::move(stop)) {}

    Result<PrunePlan> plan();
    Result<PruneReport> run();

  private:
    Status execute();
    Status check_stop() const;
    Status look();
    Status look_at_sessions();
    Status forget(const HeldLease& lease);
    Status list_containers();
    Status sort_points(const std::vector<PointInfo>& points);
    bool goes(const PointInfo& point, const std::set<SourceId>& completed) const;
    Result<bool> is_locked(const std::string& name);
    Result<bool> keeps_locked(const ContainerUse& use);
    Status judge_unverified();
    Status mark_points();
    Status count_uses();
    void count_chunk(ContainerUse& use, const FlatFragment& fragment, IndexPosition position);
    Status find_archived();
    bool may_be_needed_unseen() const;
    Status decide_fates();
    Status refine(ContainerUse& use);
    void sum_up();

    struct LiveChunk;
    Status copy_live();
    Status copy_chunks(std::vector<LiveChunk>& batch);
    Status copy_chunk(const FlatFragment& fragment, IndexPosition position);
    Result<EncodedChunk> copy_of(const LocatedChunk& chunk, IndexPosition position);
    Status condemn();
    Status find_waiting();
    Status verify_points_of(const SessionId& session);
    Status mark_again();
    Status rescue();
    Status mark_anew(const PointInfo& point, ChunkMarker::Damage damage);
    void let_go_of_needed(const ChunkMarker& marker);
    bool is_reliable(const Container& container, bool is_named) const;
    bool has_other_place(const FlatFragment& fragment, IndexPosition position) const;
    void keep_places(const ChunkId& id, const ChunkRange& part);
    Status sweep();
    IndexFragmentRecord without_gone(const FlatFragment& fragment) const;
    Status clean_index();
    Status rewrite_fragment(const ObjectInfo& info, const IndexFragmentRecord& record);
    // The own one is the last.
    bool is_own(const Tombstone& tombstone) const { return has_own_tombstone_ && &tombstone == &tombstones_.back(); }
    Status bury(const Tombstone& tombstone, const std::set<ObjectId>& done);
    Status bury();
    Status remove_old_fences();
    Status extend_locks_of_clients();
    Status remove_probes();

    Repository& repository_;
    Storage& storage_;
    const PruneOptions& options_;
    const WriterIdentity& identity_;
    Progress& progress_;
    const std::stop_token stop_;

    Index* index_ = nullptr;
    ChunkReader* chunks_ = nullptr;
    std::optional<ChunkMarker> marker_;
    std::optional<ChunkMarker> second_marker_;  // of what unverified_ refer to at the second look
    std::set<SessionId> sessions_;           // that have a lease
    std::set<SessionId> old_fences_;         // of sessions that had none at the first look
    std::set<SessionId> writers_;            // and may go on
    std::set<SessionId> fenced_now_;         // by this prune
    std::map<ObjectId, ContainerUse> uses_;           // 200 bytes a container
    std::map<ObjectId, Fate> fates_;         // of those that do not stay
    std::mutex unproven_mutex_;
    std::set<ObjectId> unproven_;            // of write-only clients, with chunks that are not what they say
    std::vector<PointInfo> staying_, removed_;
    std::set<RestorePointId> marked_points_;
    std::set<RestorePointId> unverified_;    // of these: when they were marked
    PrunePlan plan_;
    PruneReport report_;

    LendingPool<Compressor> compressors_;
    std::unique_ptr<WriteSession> session_;
    bool has_own_tombstone_ = false;
    bool condemns_more_ = false;             // than earlier prunes have
    bool has_rewritten_ = false;             // a fragment
    std::vector<Tombstone> tombstones_;      // of earlier prunes and of this one
    std::set<ObjectId> condemned_;           // by those of them that may be swept
    std::set<ObjectId> undeleted_;           // points that are not to be swept after all
    std::set<std::string> waiting_;          // tombstones that somebody may not know of
    std::set<ObjectId> refused_;             // to be swept, but locked since
    std::set<RestorePointId> forged_marks_;  // points that a write-only client says are deleted
};

}  // namespace holdfast
