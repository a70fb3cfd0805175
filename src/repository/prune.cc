#include <algorithm>
#include <tuple>

#include "base/first_error.h"
#include "base/worker_pool.h"
#include "repository/fragment_merger.h"
#include "repository/locks.h"
#include "repository/marks.h"
#include "repository/pruner.h"
#include "repository/thinning.h"

namespace holdfast {

// A chunk that is needed, in a container that goes.
struct Prune::LiveChunk {
    ObjectId container;
    std::uint64_t offset = 0;
    IndexPosition position;
};

// Without the members that nobody needs; else as it is.
Result<EncodedChunk> Prune::copy_of(const LocatedChunk& chunk, IndexPosition position) {
    const auto parts = marker_->parts(position);
    if (parts.empty()) return chunks_->read_frames(chunk);
    HF_TRY(ChunkContent content, chunks_->read(chunk));
    if (dead_bytes(content.header, chunk.location.raw_bytes, parts) == 0)
        return chunks_->read_frames(chunk);
    auto compressor = compressors_.take(
        [] { return std::make_unique<Compressor>(CompressionLevel::standard); });
    EncodedChunk thinned =
        thin(chunk, std::move(content), parts, repository_.keyring(), *compressor);
    compressors_.give_back(std::move(compressor));
    return thinned;
}

// Sealed again, in the order in which they stand.
Status Prune::copy_chunks(std::vector<LiveChunk>& batch) {
    std::sort(batch.begin(), batch.end(), [](const LiveChunk& a, const LiveChunk& b) {
        return std::tie(a.container, a.offset) < std::tie(b.container, b.offset);
    });
    const auto fragments = index_->fragments();
    FirstError failure;
    {
        WorkerPool pool(default_threads(), default_threads());
        for (const LiveChunk& live : batch) {
            if (stop_.stop_requested() || !failure.status().ok()) break;
            pool.submit([&] {
                failure.note(copy_chunk(*fragments[live.position.fragment], live.position));
            });
        }
    }
    HF_TRY_STATUS(check_stop());
    HF_TRY_STATUS(failure.status());
    batch.clear();
    return {};
}

// By one of several threads.
Status Prune::copy_chunk(const FlatFragment& fragment, IndexPosition position) {
    ChunkLocation chunk = fragment.location(position.chunk);
    const Container& container = fragment.containers()[chunk.container];
    const bool is_claim = container.header.is_claim();
    // A cache that nothing proves.
    if (is_claim && chunk.purpose == ChunkPurpose::fingerprints) return {};
    auto copied = copy_of({container, std::move(chunk)}, position);
    if (!copied.ok() && copied.error().code() == ErrorCode::corrupt && is_claim) {
        // Somebody else's may be true. This one stays as it is, for who needs it to find that it is not.
        const std::lock_guard lock(unproven_mutex_);
        unproven_.insert(container.header.object);
        return {};
    }
    // Condemned before, and swept meanwhile by another prune, which has stored it elsewhere.
    if (!copied.ok() && copied.error().code() == ErrorCode::not_found) {
        if (has_other_place(fragment, position)) return {};
        HF_TRY_STATUS(repository_.update_index());
        return has_other_place(fragment, position) ? ok_status() : Status(copied.error());
    }
    HF_TRY(EncodedChunk copy, std::move(copied));
    progress_.bytes += copy.bytes();
    HF_TRY_STATUS(session_->append(std::move(copy)));
    return session_->maybe_checkpoint();
}

Status Prune::copy_live() {
    constexpr std::size_t max_batch = 1u << 18;  // 40 bytes each: 10 MiB
    progress_.total_bytes = plan_.copied_bytes;
    std::vector<LiveChunk> batch;
    const auto fragments = index_->fragments();
    for (std::size_t number = 0; number < fragments.size(); ++number) {
        const FlatFragment& fragment = *fragments[number];
        for (std::size_t i = 0; i < fragment.chunk_count(); ++i) {
            if (!marker_->is_marked({number, i})) continue;
            const ChunkLocation chunk = fragment.location(i);
            const ObjectId& object = fragment.containers()[chunk.container].header.object;
            const auto fate = fates_.find(object);
            if (fate == fates_.end() || fate->second != Fate::is_rewritten) continue;
            batch.push_back({object, chunk.offset, {number, i}});
            if (batch.size() == max_batch) HF_TRY_STATUS(copy_chunks(batch));
        }
    }
    HF_TRY_STATUS(copy_chunks(batch));
    return session_->store();
}

// What was condemned before is condemned once more: a fragment that this prune rewrites may name it again when another
// one has swept and buried it.
Status Prune::condemn() {
    for (const ObjectId& id : unproven_) fates_.erase(id);
    std::set<ObjectId> objects;
    for (const Tombstone& tombstone : tombstones_)
        objects.insert(tombstone.record.objects.begin(), tombstone.record.objects.end());
    for (const auto& [id, fate] : fates_) condemns_more_ = objects.insert(id).second || condemns_more_;
    if (objects.empty()) return {};
    TombstoneRecord record;
    record.time = repository_.clock().now();
    record.objects.assign(objects.begin(), objects.end());
    HF_TRY(const std::string name, put_tombstone(repository_, record));
    tombstones_.push_back({name, std::move(record)});
    has_own_tombstone_ = true;
    return {};
}

// Who has a lease after the tombstones were there may not know of them: such a session ends first, or is
// fenced. The list is kept with the tombstone, so that sessions that begin later are not waited for.
Status Prune::find_waiting() {
    HF_TRY(const auto leases, list_leases(repository_));
    std::set<std::string> hosts;
    std::map<SessionId, const HeldLease*> held;
    for (const HeldLease& lease : leases)
        if (lease.session != session_->id()) held.emplace(lease.session, &lease);
    for (Tombstone& tombstone : tombstones_) {
        if (!tombstone.record.knows_sessions) {
            TombstoneRecord complete = tombstone.record;
            complete.knows_sessions = true;
            for (const auto& [session, lease] : held) complete.sessions.push_back(session);
            // Another prune that has swept all of it must not bury it as long as this one rewrites the index.
            if (is_own(tombstone)) complete.sessions.push_back(session_->id());
            HF_TRY(const std::string name, put_tombstone(repository_, complete));
            HF_TRY_STATUS(storage_.remove(tombstone.name));
            tombstone = {name, std::move(complete)};
        }
        bool must_wait = false, may_be_buried = true;
        for (const SessionId& session : tombstone.record.sessions) {
            const auto lease = held.find(session);
            if (lease == held.end()) continue;
            may_be_buried = false;
            HF_TRY(bool fenced, is_fenced(repository_, session));
            // One that has ended, or was renewed, since it was listed needs no fence.
            if (!fenced && is_expired(*lease->second, identity_, repository_.clock().now())) {
                HF_TRY(const bool is_there, holds_lease(repository_, *lease->second));
                if (!is_there) {
                    must_wait = true;
                    continue;
                }
                HF_TRY_STATUS(verify_points_of(session));
                HF_TRY(const bool is_first, put_fence(repository_, session));
                if (is_first) fenced_now_.insert(session);
                fenced = true;
            }
            must_wait = must_wait || !fenced;
            if (!fenced && lease->second->record) hosts.insert(lease->second->record->host);
        }
        if (!may_be_buried) waiting_.insert(tombstone.name);
        if (must_wait) continue;
        condemned_.insert(tombstone.record.objects.begin(), tombstone.record.objects.end());
    }
    report_.waiting_for.assign(hosts.begin(), hosts.end());
    return {};
}

// A session that was acknowledged may still have its lease: giving it back failed, or a crash undid it. Its
// points that stay were marked whole like all others, and must not pass for unverified behind the fence.
Status Prune::verify_points_of(const SessionId& session) {
    for (const PointInfo& point : staying_)
        if (point.record.session == session && !point.is_unverified)
            HF_TRY_STATUS(repository_.set_mark(point, MarkKind::verified, "whole when its session was fenced"));
    return {};
}

// What was missing of a point that its session verified at the first look may have been stored again since: by a
// marker that has met nothing, or it would not look below what it has met.
Status Prune::mark_anew(const PointInfo& point, ChunkMarker::Damage damage) {
    if (!second_marker_)
        second_marker_.emplace(*index_, *chunks_, repository_.keyring(), 0, options_.max_part_bytes);
    return second_marker_->mark(point.record.root, damage);
}

// Points that were committed since the first look, or brought back, or verified.
Status Prune::mark_again() {
    HF_TRY_STATUS(session_->confirm());
    // Another prune, which took this one for dead or the other way round, may have condemned what this one relies on.
    // Either that one finds the tombstone of this one, or this one finds that one's.
    HF_TRY(const auto tombstones, read_tombstones(repository_));
    for (const Tombstone& tombstone : tombstones)
        for (const ObjectId& id : tombstone.record.objects) index_->condemn(id);
    // After the tombstones: a session that has not seen them has named before what it stored again.
    HF_TRY_STATUS(repository_.update_index());
    HF_TRY(auto points, repository_.points(std::nullopt));
    HF_TRY(forged_marks_, believe_readers_only(repository_, points));
    std::set<RestorePointId> removed;
    for (const PointInfo& point : removed_) removed.insert(point.id);
    for (const PointInfo& point : points) {
        HF_TRY_STATUS(session_->renew_lease());
        if (point.is_unverified) old_fences_.erase(point.record.session);
        const bool still_goes =
            removed.contains(point.id) && !point.is_held &&
            (point.is_deleted || point.record.is_partial || point.is_unverified);
        if (still_goes && condemned_.contains(point.id)) continue;
        // One whose own tombstone waits may be the parent of a session that it waits for: what it refers to stays
        // as long as it does.
        if (still_goes) {
            if (!point.is_damaged && marked_points_.insert(point.id).second)
                HF_TRY_STATUS(marker_->mark(point.record.root, ChunkMarker::Damage::is_passed_over));
            continue;
        }
        if (condemned_.erase(point.id) != 0) undeleted_.insert(point.id);
        // Until now nobody has taken away what its session relies on, and the session may have looked for a
        // fence before this one was there: the point may be acknowledged.
        const bool may_be_acknowledged = point.is_unverified && fenced_now_.contains(point.record.session);
        const auto damage = may_be_acknowledged ? ChunkMarker::Damage::is_error : damage_of(point);
        if (marked_points_.insert(point.id).second) {
            if (point.is_damaged) return Error(ErrorCode::corrupt, "a damaged restore point appeared");
            HF_TRY_STATUS(marker_->mark(point.record.root, damage));
        } else if (unverified_.contains(point.id)) {
            HF_TRY_STATUS(mark_anew(point, damage));
        }
        if (may_be_acknowledged)
            HF_TRY_STATUS(repository_.set_mark(point, MarkKind::verified, "there before the fence"));
    }
    return rescue();
}

// A condemned container stays when it has the only copy of something that is needed, until another prune has copied
// that. One that is a point stays as a point, so all that it refers to stays too.
Status Prune::rescue() {
    const std::set<ObjectId> at_first = condemned_;
    for (;;) {
        let_go_of_needed(*marker_);
        if (second_marker_) let_go_of_needed(*second_marker_);
        bool is_settled = true;
        for (const PointInfo& point : removed_) {
            if (!at_first.contains(point.id) || condemned_.contains(point.id) ||
                point.is_damaged || !marked_points_.insert(point.id).second)
                continue;
            HF_TRY_STATUS(marker_->mark(point.record.root, ChunkMarker::Damage::is_passed_over));
            is_settled = false;
        }
        if (is_settled) return {};
    }
}

namespace {

// What is needed of a chunk that is marked there.
std::vector<ChunkRange> needed_parts(const ChunkMarker& marker, const ChunkLocation& chunk, IndexPosition position) {
    const auto marked = marker.parts(position);
    std::vector<ChunkRange> needed(marked.begin(), marked.end());
    return needed.empty() ? present_ranges(chunk) : needed;
}

}  // namespace

// Nobody knows whether what a write-only client claims is true, nor whether what no fragment names survives a crash; and
// what anybody has condemned may go at any moment.
bool Prune::is_reliable(const Container& container, bool is_named) const {
    return is_named && !container.header.is_claim() && !index_->is_condemned(container.header.object);
}

bool Prune::has_other_place(const FlatFragment& fragment, IndexPosition position) const {
    const ChunkLocation chunk = fragment.location(position.chunk);
    return std::ranges::all_of(needed_parts(*marker_, chunk, position), [&](const ChunkRange& part) {
        const auto located = index_->locate(chunk.id, part);
        return located.ok() && is_reliable(located->container, located->is_named);
    });
}

// When there is no place to rely on, all places stay: which of them another prune is about to delete is not known.
void Prune::keep_places(const ChunkId& id, const ChunkRange& part) {
    Index::Containers places;
    for (;;) {
        const auto located = index_->locate(id, part, places);
        if (!located.ok()) break;
        if (is_reliable(located->container, located->is_named)) return;
        places.insert(located->container.header.object);
    }
    for (const ObjectId& place : places) condemned_.erase(place);
}

void Prune::let_go_of_needed(const ChunkMarker& marker) {
    const auto fragments = index_->fragments();
    for (std::size_t number = 0; number < fragments.size(); ++number) {
        const FlatFragment& fragment = *fragments[number];
        const bool is_named = index_->is_named(number);
        for (std::size_t i = 0; i < fragment.chunk_count(); ++i) {
            if (!marker.is_marked({number, i})) continue;
            const std::uint32_t container = fragment.container_of(i);
            if (container >= fragment.containers().size()) continue;
            if (is_reliable(fragment.containers()[container], is_named)) continue;
            // Marked here: before it was copied, or because there is no other, or none that is still there.
            const ChunkLocation chunk = fragment.location(i);
            for (const ChunkRange& part : needed_parts(marker, chunk, {number, i})) keep_places(chunk.id, part);
        }
    }
}

// Points first, so that none is listed whose chunks go, and that none comes back after a crash without its
// chunks, or without the mark that says that it is deleted.
Status Prune::sweep() {
    for (const bool points : {true, false}) {
        for (const ObjectId& id : condemned_) {
            const auto use = uses_.find(id);
            if (use == uses_.end() || !use->second.is_there) continue;
            if (use->second.name.starts_with("points/") != points) continue;
            HF_TRY_STATUS(check_stop());
            HF_TRY_STATUS(session_->renew_lease());
            HF_TRY_STATUS(session_->confirm());
            Status removed = storage_.remove(use->second.name);
            // Locked since it was planned: it stays condemned, and goes when it can.
            if (!removed.ok() && removed.error().code() == ErrorCode::refused) {
                refused_.insert(id);
                continue;
            }
            HF_TRY_STATUS(std::move(removed));
            ++report_.deleted_objects;
            report_.deleted_bytes += use->second.object_bytes;
        }
        if (points) HF_TRY_STATUS(storage_.barrier());
    }
    for (const PointInfo& point : removed_)
        if (condemned_.contains(point.id) && !refused_.contains(point.id))
            HF_TRY_STATUS(repository_.remove_marks(point.id));
    return {};
}

Status Prune::rewrite_fragment(const ObjectInfo& info, const IndexFragmentRecord& record) {
    has_rewritten_ = true;
    HF_TRY(const std::uint64_t bytes, session_->replace_fragment(info.name, record));
    report_.written_bytes += bytes;
    ++report_.deleted_objects;
    report_.deleted_bytes += info.bytes;
    return {};
}

// What a fragment says without what is gone.
IndexFragmentRecord Prune::without_gone(const FlatFragment& fragment) const {
    const auto stays = [this](const ObjectId& id) { return !condemned_.contains(id); };
    FragmentMerger merger(stays, stays);
    merger.add(fragment);
    IndexFragmentRecord record = merger.take();
    record.supersedes = fragment.record().supersedes;
    return record;
}

// Every fragment without what is gone; then those go that others have taken the place of.
Status Prune::clean_index() {
    std::vector<ObjectInfo> superseded;
    HF_TRY_STATUS(repository_.for_each_fragment([&](const ObjectInfo& info,
                                                    const FlatFragment& fragment,
                                                    bool is_superseded) -> Status {
        if (is_superseded) {
            superseded.push_back(info);
            return {};
        }
        bool names_gone = false;
        for (const Container& container : fragment.containers())
            names_gone = names_gone || condemned_.contains(container.header.object);
        for (const FoldedPoint& point : fragment.record().points)
            names_gone = names_gone || condemned_.contains(point.id);
        return names_gone ? rewrite_fragment(info, without_gone(fragment)) : ok_status();
    }));
    for (const ObjectInfo& info : superseded) {
        HF_TRY_STATUS(storage_.remove(info.name));
        ++report_.deleted_objects;
        report_.deleted_bytes += info.bytes;
    }
    return {};
}

// Of a tombstone, what is still condemned: what was let go is, for another prune, which has not seen that it is needed,
// may be about to delete it. Points that were brought back were so before their tombstone was there, which every prune
// sees.
Status Prune::bury(const Tombstone& tombstone, const std::set<ObjectId>& done) {
    // One that says nothing new of what nothing was done with: each prune beside a long backup would leave one.
    const bool is_own_needed = condemns_more_ || has_rewritten_;
    TombstoneRecord left = tombstone.record;
    std::erase_if(left.objects, [&](const ObjectId& id) { return done.contains(id); });
    const auto is_swept = [this](const ObjectId& id) { return condemned_.contains(id); };
    // Of what is only to be named no more, the own tombstone tells as well.
    if (!is_own(tombstone) && is_own_needed && std::ranges::all_of(left.objects, is_swept)) left.objects.clear();
    if (is_own(tombstone) && !is_own_needed) left.objects.clear();
    if (left.objects.size() == tombstone.record.objects.size()) return {};
    if (!left.objects.empty()) HF_TRY_STATUS(put_tombstone(repository_, left));
    return storage_.remove(tombstone.name);
}

// A fragment that came back after a crash would name what is gone, and nothing would say so.
Status Prune::bury() {
    HF_TRY_STATUS(storage_.barrier());
    std::set<ObjectId> done = undeleted_;
    for (const Tombstone& tombstone : tombstones_)
        for (const ObjectId& id : tombstone.record.objects)
            if (!waiting_.contains(tombstone.name) && condemned_.contains(id)) done.insert(id);
    // Another prune that goes on may name it again, or delete it.
    for (const Tombstone& tombstone : tombstones_)
        if (waiting_.contains(tombstone.name) && !is_own(tombstone))
            for (const ObjectId& id : tombstone.record.objects) done.erase(id);
    for (const Tombstone& tombstone : tombstones_) HF_TRY_STATUS(bury(tombstone, done));
    return {};
}

// Write-only clients extend no locks; what their sources need to be restored as they are now stays by this.
Status Prune::extend_locks_of_clients() {
    std::map<SourceId, const PointInfo*> newest;
    for (const PointInfo& point : staying_) {
        if (!point.is_claim || point.is_deleted || point.is_unverified || point.is_incomplete || point.is_damaged) continue;
        const PointInfo*& known = newest[point.source];
        if (known == nullptr || point.inverted_time < known->inverted_time) known = &point;
    }
    for (const auto& [source, point] : newest) 
        HF_TRY_STATUS(extend_locks(repository_, point->id, point->record, nullptr, condemned_));
    return {};
}

// A session that has given back its lease looks for its fence no more, or finds its point verified, or gone.
Status Prune::remove_old_fences() {
    for (const SessionId& session : old_fences_) HF_TRY_STATUS(remove_fence(repository_, session));
    return {};
}

// What `init` has tried the storage's locks with.
Status Prune::remove_probes() {
    if (repository_.config().lock.mode == LockRules::Mode::none) return {};
    HF_TRY(const auto probes, list_objects(storage_, probe_folder));
    for (const ObjectInfo& info : probes) {
        const Status removed = storage_.remove(info.name);
        // The minute is not over.
        if (!removed.ok() && removed.error().code() != ErrorCode::refused) return removed;
    }
    return {};
}

Result<PruneReport> Prune::run() {
    HF_TRY(session_, WriteSession::begin(repository_, identity_));
    const Status done = execute();
    // What was copied before an error is kept for whoever goes on.
    const Status ended = session_->abandon();
    if (!done.ok()) return session_->explain(done.error());
    HF_TRY_STATUS(ended);
    return std::move(report_);
}

Status Prune::execute() {
    HF_TRY(report_.plan, plan());
    // Nobody takes them for a parent from now on.
    for (const PointInfo& point : removed_) {
        if (point.is_deleted) continue;
        HF_TRY_STATUS(forged_marks_.contains(point.id) ? delete_point(repository_, point, "retention")
                                                       : repository_.set_mark(point, MarkKind::deleted, "retention"));
    }
    HF_TRY_STATUS(copy_live());
    HF_TRY_STATUS(condemn());
    HF_TRY_STATUS(find_waiting());
    HF_TRY_STATUS(mark_again());
    HF_TRY_STATUS(sweep());
    HF_TRY_STATUS(clean_index());
    HF_TRY_STATUS(bury());
    HF_TRY_STATUS(remove_old_fences());
    HF_TRY_STATUS(repository_.remove_stray_marks());
    for (const auto* points : {&staying_, &removed_}) HF_TRY_STATUS(repository_.remove_false_points(*points));
    HF_TRY_STATUS(repository_.remove_false_fragments());
    HF_TRY_STATUS(extend_locks_of_clients());
    HF_TRY_STATUS(remove_probes());
    report_.written_bytes += session_->stored_bytes();
    std::set<ObjectId> waiting;
    for (const Tombstone& tombstone : tombstones_)
        if (waiting_.contains(tombstone.name)) waiting.insert(tombstone.record.objects.begin(), tombstone.record.objects.end());
    for (const ObjectId& id : waiting)
        if (!condemned_.contains(id) && uses_.contains(id)) report_.waiting_bytes += uses_.at(id).object_bytes;
    return {};
}

Result<PrunePlan> plan_prune(Repository& repository,
                             const PruneOptions& options,
                             const WriterIdentity& identity,
                             Progress& progress,
                             std::stop_token stop) {
    return Prune(repository, options, identity, progress, std::move(stop)).plan();
}

Result<PruneReport> run_prune(Repository& repository,
                              const PruneOptions& options,
                              const WriterIdentity& identity,
                              Progress& progress,
                              std::stop_token stop) {
    return Prune(repository, options, identity, progress, std::move(stop)).run();
}

}  // namespace holdfast
