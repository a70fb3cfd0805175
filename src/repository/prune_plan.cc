// What a pruner finds, and decides to do.
#include <algorithm>
#include <bit>
#include <queue>

#include "repository/marks.h"
#include "repository/pruner.h"
#include "repository/thinning.h"

namespace holdfast {

// A point that its session verifies at this moment refers to what that session stores again; of one that is
// known to be incomplete, what is there stays.
ChunkMarker::Damage damage_of(const PointInfo& point) {
    return point.is_unverified || point.is_incomplete
               ? ChunkMarker::Damage::is_passed_over
               : ChunkMarker::Damage::is_error;
}

Status Prune::check_stop() const {
    if (stop_.stop_requested()) return Error(ErrorCode::cancelled, "interrupted");
    return {};
}

// What is there: packs first, then who writes, then the index, then the points. Whatever is stored
// between two of these steps is either seen or belongs to a session that is.
Status Prune::look() {
    if (repository_.keyring().role() == KeyRole::writer)
        return Error(ErrorCode::permission_denied, "a write-only key cannot prune");
    HF_TRY_STATUS(list_containers());
    HF_TRY_STATUS(look_at_sessions());
    // Before the index, as another prune mends that before it removes its tombstones.
    HF_TRY(tombstones_, read_tombstones(repository_));
    HF_TRY_STATUS(repository_.reload_index());
    // Packs without an index: garbage, or a fragment is lost. Their tables tell.
    HF_TRY_STATUS(repository_.find_unindexed());
    // What is lost must not pass for the copy that is kept.
    HF_TRY_STATUS(repository_.exclude_lost_containers());
    // What another prune has swept meanwhile stands elsewhere.
    HF_TRY_STATUS(repository_.update_index());
    HF_TRY(index_, repository_.index());
    HF_TRY(chunks_, repository_.chunks());
    const auto salt = repository_.random().array<8>();
    marker_.emplace(*index_, *chunks_, repository_.keyring(), std::bit_cast<std::uint64_t>(salt),
                    options_.max_part_bytes);
    // What an earlier prune has condemned counts only where there is no other copy.
    for (const Tombstone& tombstone : tombstones_)
        for (const ObjectId& id : tombstone.record.objects) index_->condemn(id);
    HF_TRY(auto points, repository_.points(std::nullopt));
    HF_TRY(forged_marks_, believe_readers_only(repository_, points));
    return sort_points(points);
}

Status Prune::look_at_sessions() {
    HF_TRY(old_fences_, list_fences(storage_));
    HF_TRY(const auto leases, list_leases(repository_));
    for (const HeldLease& lease : leases) {
        HF_TRY(const bool fenced, is_fenced(repository_, lease.session));
        sessions_.insert(lease.session);
        old_fences_.erase(lease.session);
        if (fenced && session_) HF_TRY_STATUS(forget(lease));
        const bool is_own = session_ && lease.session == session_->id();
        if (!is_own && !fenced && !is_expired(lease, identity_, repository_.clock().now()))
            writers_.insert(lease.session);
    }
    return {};
}

// What was fenced long ago would otherwise keep the tombstones for ever, should its machine never come back.
Status Prune::forget(const HeldLease& lease) {
    HF_TRY(auto fenced, fence_time(repository_, lease.session));
    // Write-only clients can store something under that name.
    if (!fenced && lease.record) fenced = lease.record->renewed;
    const TimeNs now = repository_.clock().now();
    if (!fenced || *fenced > now || now - *fenced < Lease::forgotten_after) return {};
    for (const std::string& name : lease.names) HF_TRY_STATUS(storage_.remove(name));
    return {};
}

Status Prune::list_containers() {
    for (const char* folder : {"data/", "meta/", "points/"})
        HF_TRY_STATUS(storage_.list(folder, [this](const ObjectInfo& info) {
            const std::size_t id_at = info.name.size() < 32 ? 0 : info.name.size() - 32;
            const auto id = ObjectId::from_hex(std::string_view(info.name).substr(id_at));
            if (!id) return true;
            ContainerUse& use = uses_[*id];
            use.name = info.name;
            use.object_bytes = info.bytes;
            use.is_there = true;
            return true;
        }));
    return {};
}

bool Prune::goes(const PointInfo& point, const std::set<SourceId>& completed) const {
    if (point.is_held || options_.staying.contains(point.id)) return false;
    if (point.is_deleted || options_.removing.contains(point.id)) return true;
    // A partial point is a parent for the first complete one, and then nobody's.
    return point.record.is_partial && completed.contains(point.source) &&
           !writers_.contains(point.record.session);
}

Status Prune::sort_points(const std::vector<PointInfo>& points) {
    std::set<SourceId> completed;
    for (const PointInfo& point : points)
        if (!point.record.is_partial && !point.is_deleted && !point.is_damaged)
            completed.insert(point.source);
    for (const PointInfo& point : points) {
        bool leaves = goes(point, completed);
        // One that nobody can read is condemned, and goes when it can.
        if (leaves && !point.is_damaged) {
            HF_TRY(const bool locked, is_locked(point_name({point.source, point.inverted_time, point.id})));
            if (locked) plan_.locked_points.push_back(point);
            leaves = !locked;
        }
        if (leaves) {
            removed_.push_back(point);
            uses_[point.id].is_removed_point = true;
            continue;
        }
        if (point.is_damaged)
            return Error(point.damage->code(), "restore point " + point.id.hex().substr(0, 12) +
                                                   ": nobody knows what it refers to: delete it first")
                .with_context("pruning");
        staying_.push_back(point);
    }
    return {};
}

// Points of sessions that a prune took for dead and that are over. Whether a backup was acknowledged nobody knows: that
// prune may have ended when it had fenced a session that had just looked for a fence for the last time. One that is whole
// stays; one that is not was never acknowledged.
Status Prune::judge_unverified() {
    std::vector<PointInfo> staying;
    for (PointInfo& point : staying_) {
        if (session_) HF_TRY_STATUS(session_->renew_lease());
        const bool is_in_doubt = point.is_unverified && !sessions_.contains(point.record.session) &&
                                 !options_.staying.contains(point.id) && !point.is_held;
        // One that has met nothing: what another point lacks must not hide what this one lacks.
        Status whole;
        if (is_in_doubt) whole = ChunkMarker(*index_, *chunks_, repository_.keyring()).mark(point.record.root);
        if (!whole.ok() && whole.error().code() != ErrorCode::corrupt) return whole;
        if (!whole.ok()) {
            uses_[point.id].is_removed_point = true;
            removed_.push_back(std::move(point));
            continue;
        }
        if (is_in_doubt && session_)
            HF_TRY_STATUS(repository_.set_mark(point, MarkKind::verified, "whole, and its session is over"));
        point.is_unverified = point.is_unverified && !is_in_doubt;
        staying.push_back(std::move(point));
    }
    staying_ = std::move(staying);
    return {};
}

Status Prune::mark_points() {
    progress_.total_files = staying_.size();
    for (const PointInfo& point : staying_) {
        HF_TRY_STATUS(check_stop());
        auto marked = marker_->mark(point.record.root, damage_of(point));
        if (!marked.ok())
            return std::move(marked).error().with_context("marking restore point " +
                                                          point.id.hex().substr(0, 12));
        marked_points_.insert(point.id);
        if (point.is_unverified) unverified_.insert(point.id);
        ++progress_.files;
        if (session_) HF_TRY_STATUS(session_->renew_lease());
    }
    return {};
}

// Bytes and chunks that are needed, container by container.
Status Prune::count_uses() {
    const auto fragments = index_->fragments();
    for (std::size_t number = 0; number < fragments.size(); ++number) {
        const FlatFragment& fragment = *fragments[number];
        for (std::size_t i = 0; i < fragment.chunk_count(); ++i) {
            const std::uint32_t container_number = fragment.container_of(i);
            if (container_number >= fragment.containers().size())
                return Error(ErrorCode::corrupt, "damaged index: no such container");
            const Container& container = fragment.containers()[container_number];
            ContainerUse& use = uses_[container.header.object];
            use.name = container_name(container);
            use.object_bytes = container.object_bytes;
            use.belongs_to_writer = container.header.kind != ObjectKind::restore_point &&
                                    writers_.contains(container.session);
            count_chunk(use, fragment, {number, i});
        }
    }
    return {};
}

namespace {

// The stored bytes that `raw_bytes` of a chunk take.
std::uint64_t stored_share(const ChunkLocation& chunk, std::uint64_t raw_bytes) {
    std::uint64_t there = chunk.raw_bytes;
    for (const ChunkRange& range : chunk.absent) there -= range.bytes;
    return there == 0 ? 0 : chunk.stored_bytes() * raw_bytes / there;
}

}  // namespace

void Prune::count_chunk(ContainerUse& use, const FlatFragment& fragment, IndexPosition position) {
    const ChunkLocation chunk = fragment.location(position.chunk);
    const std::uint64_t bytes = chunk.stored_bytes();
    if (!marker_->is_marked(position)) {
        use.dead_bytes += bytes;
        return;
    }
    use.live_bytes += bytes;
    ++use.live_chunks;
    const auto parts = marker_->parts(position);
    if (parts.empty()) return;
    std::uint64_t unneeded = chunk.raw_bytes;
    for (const ChunkRange& part : parts) unneeded -= part.bytes;
    for (const ChunkRange& range : chunk.absent) unneeded -= range.bytes;
    if (unneeded == 0) return;
    use.thin_bytes += stored_share(chunk, unneeded);
    use.partly_live.push_back(position);
}

// Looks at the members of chunks that are needed in part.
Status Prune::refine(ContainerUse& use) {
    use.is_estimate = false;
    use.thin_bytes = 0;
    const auto fragments = index_->fragments();
    for (const IndexPosition position : use.partly_live) {
        HF_TRY_STATUS(check_stop());
        const FlatFragment& fragment = *fragments[position.fragment];
        ChunkLocation chunk = fragment.location(position.chunk);
        const Container& container = fragment.containers()[chunk.container];
        HF_TRY(const ChunkHeader header, chunks_->read_header({container, chunk}));
        use.thin_bytes += stored_share(
            chunk, dead_bytes(header, chunk.raw_bytes, marker_->parts(position)));
    }
    return {};
}

// By the storage, and only where the repository has locks.
Result<bool> Prune::is_locked(const std::string& name) {
    RetentionLock* const retention = storage_.retention();
    if (repository_.config().lock.mode == LockRules::Mode::none || retention == nullptr) return false;
    const auto until = retention->locked_until(name);
    if (!until.ok() && until.error().code() == ErrorCode::not_found) return false;
    if (!until.ok()) return until.error();
    return until->has_value();
}

Result<bool> Prune::keeps_locked(const ContainerUse& use) {
    HF_TRY(const bool locked, is_locked(use.name));
    if (!locked) return false;
    ++plan_.locked_objects;
    plan_.locked_bytes += use.object_bytes;
    return true;
}

// Of what might be written anew: where anything may be frozen, which is known without a request, the storage tells what
// is in an archive class.
Status Prune::find_archived() {
    ColdTier* const tier = storage_.cold_tier();
    if (tier == nullptr || !tier->may_be_frozen()) return {};
    std::map<std::string, ContainerUse*> asked;
    std::vector<std::string> names;
    for (auto& [id, use] : uses_) {
        if (!use.is_there || !use.is_data() || use.live_chunks == 0 || (use.garbage() == 0 && !index_->is_condemned(id)))
            continue;
        asked.emplace(use.name, &use);
        names.push_back(use.name);
    }
    return tier->look(names, [&asked](const std::string& name, const Readability& is) {
        asked.at(name)->is_archived = is.is_archived();
    });
}

// Whether a pack that no fragment names, and whose table cannot be read, may be what a point lacks that is not whole.
bool Prune::may_be_needed_unseen() const {
    const ColdTier* const tier = storage_.cold_tier();
    return tier != nullptr && tier->may_be_frozen() && std::ranges::any_of(staying_, [](const PointInfo& point) {
        return damage_of(point) == ChunkMarker::Damage::is_passed_over;
    });
}

Status Prune::decide_fates() {
    const bool keeps_unseen = may_be_needed_unseen();
    // Those that are dead most win most for each byte that is copied.
    std::priority_queue<std::pair<double, ObjectId>> partly_dead;
    for (auto& [id, use] : uses_) {
        // data/<16>/<32>: packs that the index does not name.
        if (!use.name.starts_with("points/") && use.name.size() > 21)
            if (const auto session = SessionId::from_hex(std::string_view(use.name).substr(5, 16)))
                use.belongs_to_writer = use.belongs_to_writer || writers_.contains(*session);
        if (!use.is_there) continue;
        if (index_->is_condemned(id)) {
            // By an earlier prune, before it was needed: it goes when that stands elsewhere.
            if (use.live_chunks != 0 && !use.is_archived) fates_[id] = Fate::is_rewritten;
            continue;
        }
        if (use.belongs_to_writer || (keeps_unseen && use.is_data() && !use.is_indexed())) continue;
        plan_.live_bytes += use.live_bytes - use.thin_bytes;
        const bool is_point = use.name.starts_with("points/");
        if (is_point && !use.is_removed_point) continue;
        if (use.live_chunks == 0 || is_point) {
            HF_TRY(const bool stays, keeps_locked(use));
            if (stays) continue;
        }
        if (use.live_chunks == 0) {
            fates_[id] = Fate::goes;
        } else if (is_point) {
            fates_[id] = Fate::is_rewritten;
        } else if (use.garbage() != 0) {
            plan_.dead_bytes += use.garbage();
            if (use.is_archived) plan_.archived_bytes += use.garbage();
            else partly_dead.emplace(use.garbage_share(), id);
        }
    }
    std::uint64_t left = plan_.dead_bytes - plan_.archived_bytes;
    while (!partly_dead.empty() && left > plan_.live_bytes / 100 * options_.max_dead_percent) {
        const ObjectId id = partly_dead.top().second;
        partly_dead.pop();
        ContainerUse& use = uses_.at(id);
        left -= use.garbage();
        if (!use.is_estimate || use.partly_live.empty()) {
            HF_TRY(const bool stays, keeps_locked(use));
            if (!stays) fates_[id] = Fate::is_rewritten;
            continue;
        }
        plan_.dead_bytes -= use.thin_bytes;
        plan_.live_bytes += use.thin_bytes;
        HF_TRY_STATUS(refine(use));
        plan_.dead_bytes += use.thin_bytes;
        plan_.live_bytes -= use.thin_bytes;
        left += use.garbage();
        if (use.garbage() != 0) partly_dead.emplace(use.garbage_share(), id);
    }
    return {};
}

void Prune::sum_up() {
    for (const auto& [id, fate] : fates_) {
        const ContainerUse& use = uses_.at(id);
        plan_.reclaimed_bytes += use.object_bytes;
        if (fate == Fate::goes) {
            ++plan_.removed_objects;
            if (!use.is_removed_point) plan_.dead_bytes += use.dead_bytes;
        } else {
            ++plan_.rewritten_objects;
            plan_.copied_bytes += use.live_bytes - use.thin_bytes;
        }
    }
    plan_.reclaimed_bytes -= std::min(plan_.reclaimed_bytes, plan_.copied_bytes);
    plan_.removed_points = removed_;
}

Result<PrunePlan> Prune::plan() {
    HF_TRY_STATUS(look());
    HF_TRY_STATUS(judge_unverified());
    HF_TRY_STATUS(mark_points());
    HF_TRY_STATUS(count_uses());
    HF_TRY_STATUS(find_archived());
    HF_TRY_STATUS(decide_fates());
    sum_up();
    return plan_;
}

}  // namespace holdfast
