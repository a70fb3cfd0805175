#include "repository/write_session.h"

#include <algorithm>
#include <set>

#include "repository/chunk_marker.h"

namespace holdfast {
namespace {

// What waits to be named takes memory, some 200 bytes a chunk with its copies: 13 MiB.
constexpr std::size_t checkpoint_chunks = 1u << 16;

}  // namespace

WriteSession::WriteSession(Repository& repository, Lease lease)
    : repository_(repository), lease_(std::move(lease)), notes_taken_(repository.config().lock.mode != LockRules::Mode::none) {
    open_packs();
    last_fragment_ = repository_.clock().monotonic();
}

WriteSession::~WriteSession() = default;

void WriteSession::open_packs() {
    Storage& storage = repository_.storage();
    data_ = std::make_unique<PackWriter>(
        storage, repository_.keyring(), ObjectKind::data_pack, id(), optional_features_, repository_.random());
    metadata_ = std::make_unique<PackWriter>(
        storage, repository_.keyring(), ObjectKind::metadata_pack, id(), optional_features_, repository_.random());
}

void WriteSession::write_in_order() {
    optional_features_ = EnvelopeHeader::in_order_feature;
    open_packs();
}

Result<std::unique_ptr<WriteSession>> WriteSession::begin(Repository& repository,
                                                          const WriterIdentity& identity) {
    const bool reads = repository.keyring().role() == KeyRole::full;
    std::vector<HeldLease> others;
    if (reads) {
        HF_TRY(others, list_leases(repository));
    }
    HF_TRY_STATUS(repository.end_own_dead_sessions(identity));
    HF_TRY(Lease lease, Lease::take(repository, identity));
    std::unique_ptr<WriteSession> session(new WriteSession(repository, std::move(lease)));
    // The lease comes before the tombstones and the index are read: a pruner that condemns something
    // later sees the lease, and waits or fences. The tombstones come before the index: one that is removed
    // in between has been followed by an index without what it named.
    auto tombstones = read_tombstones(repository);
    HF_TRY_STATUS(repository.reload_index());
    HF_TRY(session->index_, repository.index());
    if (!tombstones.ok()) {
        if (reads || tombstones.error().code() != ErrorCode::permission_denied) return std::move(tombstones).error();
        // Of another program, in a form that a client cannot read: it relies on nothing.
        session->index_->clear();
        return session;
    }
    for (const Tombstone& tombstone : *tombstones)
        for (const ObjectId& id : tombstone.record.objects) session->index_->condemn(id);
    const Status adopted = reads ? session->adopt_leftovers(others, identity) : repository.look_at_own_containers();
    // A prune that has fenced this session may take away the packs of a dead one between their listing and their adoption.
    if (!adopted.ok()) return session->explain(adopted.error());
    return session;
}

Status WriteSession::adopt_leftovers(const std::vector<HeldLease>& leases,
                                     const WriterIdentity& identity) {
    std::vector<const HeldLease*> dead;
    for (const HeldLease& lease : leases) {
        // Torn by a crash (leases are not synced): nobody knows whose it was; a pruner fences it.
        if (!lease.record || !is_dead_here(*lease.record, identity)) continue;
        // Who was about to end when the leases were read has given it back by now.
        HF_TRY(const bool is_held, holds_lease(repository_, lease));
        if (is_held) dead.push_back(&lease);
    }
    if (dead.empty()) return {};
    HF_TRY_STATUS(adopt_names());
    for (const HeldLease* lease : dead) {
        HF_TRY_STATUS(adopt(*lease->record, identity));
        for (const std::string& name : lease->names)
            HF_TRY_STATUS(repository_.storage().remove(name));
    }
    return {};
}

// Fragments and points are synced before they get their names, but a session may die before it has synced those:
// this session refers to what it finds. One object of each directory is enough.
Status WriteSession::adopt_names() {
    Storage& storage = repository_.storage();
    std::set<std::string> directories;
    for (const char* folder : {"index/", "points/"}) {
        HF_TRY(const auto objects, list_objects(storage, folder));
        for (const ObjectInfo& info : objects) {
            const std::string directory = info.name.substr(0, info.name.rfind('/'));
            if (directories.contains(directory)) continue;
            Status adopted = storage.adopt(info.name);
            if (adopted.ok()) directories.insert(directory);
            else if (adopted.error().code() != ErrorCode::not_found) return adopted;
        }
    }
    return storage.barrier();
}

Status WriteSession::adopt(const LeaseRecord& lease, const WriterIdentity& identity) {
    // When only the process has died, all that it wrote is there; with the machine, some of it may not be.
    const auto trust = lease.boot_id == identity.boot_id ? Repository::Trust::tables
                                                         : Repository::Trust::nothing;
    return repository_.unindexed_packs(lease.session, trust, [this](IndexFragmentRecord found) {
        return name_packs(std::move(found));
    });
}

Status WriteSession::name_packs(IndexFragmentRecord found) {
    for (const Container& container : found.containers)
        HF_TRY_STATUS(repository_.storage().adopt(container_name(container)));
    HF_TRY_STATUS(repository_.storage().barrier());
    HF_TRY(const std::uint64_t bytes, repository_.store_fragment(std::move(found), lease_));
    stored_bytes_ += bytes;
    return {};
}

// By a fragment's word, and not by this session's.
bool WriteSession::is_stored(const ChunkId& id, const ChunkRange& part) const {
    if (!index_->contains(id, part)) return false;
    if (!notes_taken_) return true;
    const auto chunk = index_->locate(id, part);
    if (!chunk.ok()) return false;
    if (chunk->container.session != this->id()) {
        const std::lock_guard lock(taken_mutex_);
        note_container(taken_, chunk->container);
    }
    return true;
}

bool WriteSession::contains(const ChunkId& id, const ChunkRange& part) const {
    Shard& shard = claimed_[id.bytes[0] % claimed_.size()];
    {
        std::lock_guard lock(shard.mutex);
        if (shard.ids.contains(id)) return true;
    }
    return is_stored(id, part);
}

bool WriteSession::claim(const ChunkId& id) {
    if (is_stored(id, whole_chunk)) return false;
    Shard& shard = claimed_[id.bytes[0] % claimed_.size()];
    std::lock_guard lock(shard.mutex);
    return shard.ids.insert(id).second;
}

Status WriteSession::append(EncodedChunk chunk) {
    return (chunk.purpose == ChunkPurpose::data ? data_ : metadata_)->append(std::move(chunk));
}

std::uint64_t WriteSession::new_bytes() const {
    return data_->bytes() + metadata_->bytes();
}

void WriteSession::collect(PackWriter& packs) {
    for (FinishedContainer& done : packs.take_finished()) {
        const auto number = static_cast<std::uint32_t>(fragment_.containers.size());
        fragment_bytes_ += done.container.object_bytes;
        stored_bytes_ += done.container.object_bytes;
        fragment_.containers.push_back(std::move(done.container));
        for (ChunkLocation& chunk : done.chunks) {
            chunk.container = number;
            fragment_.chunks.push_back(std::move(chunk));
        }
    }
}

Status WriteSession::write_fragment() {
    if (fragment_.chunks.empty()) return {};
    sort_chunks(fragment_.chunks);
    HF_TRY_STATUS(repository_.storage().barrier());
    std::vector<ChunkId> ids;
    for (const ChunkLocation& chunk : fragment_.chunks) ids.push_back(chunk.id);
    HF_TRY(const std::uint64_t bytes, repository_.store_fragment(std::exchange(fragment_, {}), lease_));
    stored_bytes_ += bytes;
    // From now on the index answers for them.
    for (const ChunkId& id : ids) {
        Shard& shard = claimed_[id.bytes[0] % claimed_.size()];
        std::lock_guard lock(shard.mutex);
        shard.ids.erase(id);
    }
    fragment_bytes_ = 0;
    last_fragment_ = repository_.clock().monotonic();
    return {};
}

Status WriteSession::maybe_checkpoint() {
    const std::unique_lock lock(fragment_mutex_, std::try_to_lock);
    if (!lock.owns_lock()) return {};  // somebody is at it
    HF_TRY_STATUS(lease_.maybe_renew());
    collect(*data_);
    collect(*metadata_);
    const TimeNs now = repository_.clock().monotonic();
    if (fragment_bytes_ < checkpoint_bytes && fragment_.chunks.size() < checkpoint_chunks &&
        now - last_fragment_ < checkpoint_interval)
        return {};
    last_fragment_ = now;
    return write_fragment();
}

// The point with these chunks in its own object; it is durable then, and in the index.
Result<PointName> WriteSession::put_point(const RestorePointRecord& record,
                                          std::span<Chunks> chunks) {
    HF_TRY_STATUS(repository_.keyring().check_host(record.host));
    ObjectKey key = repository_.keyring().new_object(ObjectKind::restore_point, repository_.random());
    key.header.optional_features = optional_features_;
    ObjectEncoder encoder(std::move(key));
    for (Chunks& part : chunks)
        for (EncodedChunk& chunk : part) encoder.add_chunk(std::move(chunk));
    encoder.add_record(encode_restore_point(record));
    const Bytes object = finish_object(encoder);
    HF_TRY_STATUS(lease_.confirm());
    PointName name{repository_.keyring().source_id(record.host, record.name),
                   inverted_time_of(record.started), encoder.header().object};
    stored_bytes_ += object.size();
    HF_TRY_STATUS(
        repository_.storage().put(point_name(name), object, Durability::immediate));
    repository_.add_point_to_index(name, encoder.header(), encoder.table(), object.size());
    repository_.keep_own();
    return name;
}

void WriteSession::remove_partial() {
    // One that stays is hidden, and garbage once there is a complete point.
    if (partial_) (void)repository_.storage().remove(*partial_).ok();
    partial_.reset();
}

Status WriteSession::renew_lease() {
    const std::lock_guard lock(fragment_mutex_);
    return lease_.maybe_renew();
}

Status WriteSession::confirm() {
    const std::lock_guard lock(fragment_mutex_);
    return lease_.maybe_confirm();
}

Result<std::uint64_t> WriteSession::replace_fragment(const std::string& name, IndexFragmentRecord record) {
    const std::lock_guard lock(fragment_mutex_);
    return repository_.replace_fragment(name, std::move(record), lease_);
}

Status WriteSession::store() {
    const std::lock_guard lock(fragment_mutex_);
    HF_TRY_STATUS(data_->flush());
    HF_TRY_STATUS(metadata_->flush());
    collect(*data_);
    collect(*metadata_);
    return write_fragment();
}

Status WriteSession::put_partial(RestorePointRecord record) {
    HF_TRY_STATUS(store());
    const std::lock_guard lock(fragment_mutex_);
    record.is_partial = true;
    // Its own time, so that the newest partial point is the first of a listing.
    record.started = record.finished = repository_.clock().now();
    HF_TRY(const PointName name, put_point(record, {}));
    remove_partial();
    partial_ = point_name(name);
    return {};
}

Result<WriteSession::Committed> WriteSession::commit(const RestorePointRecord& record) {
    HF_TRY(Chunks small_data, data_->finish(PackWriter::SmallRest::hand_back));
    HF_TRY(Chunks small_metadata, metadata_->finish(PackWriter::SmallRest::hand_back));
    const std::lock_guard lock(fragment_mutex_);
    collect(*data_);
    collect(*metadata_);
    HF_TRY_STATUS(write_fragment());
    std::array chunks{std::move(small_data), std::move(small_metadata)};
    HF_TRY(const PointName name, put_point(record, chunks));
    // Safety rests on this order, not on clocks: a pruner that took this session for dead wrote its
    // fence before it listed the points.
    HF_TRY(const bool fenced, is_fenced(repository_, id()));
    // One that cannot be verified stays, and is hidden: a fold may have named it, so only a prune takes it.
    if (fenced) {
        Status verified = verify(record, name.id);
        if (!verified.ok()) hide(name.id);
        HF_TRY_STATUS(std::move(verified));
    }
    // The point is there and whole; whether it stays is what is promised, too.
    Status locked = extend_locks(repository_, name.id, record, &taken_);
    if (!locked.ok()) return std::move(locked).error().with_context("locking what the restore point needs");
    remove_partial();
    fold();
    // A fence that came after the point: the pruner sees the point, and takes away nothing of it. Looked for while
    // the lease is there, and once more when it is not, for without a lease a point that is not verified goes.
    if (!fenced) HF_TRY_STATUS(verify_if_fenced(name));
    HF_TRY_STATUS(confirm_end(name.id));
    lease_.give_back();
    if (!fenced) HF_TRY_STATUS(verify_if_fenced(name));
    return Committed{name.id, stored_bytes_};
}

// Nobody must take for the latest what is not acknowledged, and may lack something.
void WriteSession::hide(const RestorePointId& id) {
    PointInfo point;
    point.id = id;
    (void)repository_.set_mark(point, MarkKind::deleted, "never acknowledged").ok();
}

// When this session was forgotten nobody waits for it, nor looks whether its point is whole: that must not be believed.
// A request that fails says nothing of that: the point stays as it is, and the next backup's parent.
Status WriteSession::confirm_end(const RestorePointId& point) {
    Status held = lease_.confirm();
    if (held.ok() || held.error().code() != ErrorCode::conflict) return held;
    hide(point);
    const auto fenced = put_fence(repository_, id());
    return fenced.ok() ? std::move(held) : Status(fenced.error());
}

// Folding is housekeeping: the point is safe without it. Under the lease, for it names containers again
// that a pruner might have condemned since they were read.
void WriteSession::fold() {
    const auto folded = repository_.fold(lease_);
    if (folded.ok()) stored_bytes_ += *folded;
}

namespace {

Error gone(const Error& error) {
    return {ErrorCode::conflict,
            "a prune took this session for dead, and took away what it refers to: run it again (" +
                error.describe() + ')'};
}

}  // namespace

Error WriteSession::explain(Error error) {
    if (error.code() != ErrorCode::corrupt && error.code() != ErrorCode::not_found) return error;
    const auto fenced = is_fenced(repository_, id());
    return fenced.ok() && *fenced ? gone(error) : error;
}

// Whether anything is condemned that was not before.
Result<bool> WriteSession::read_condemned() {
    HF_TRY(const auto tombstones, read_tombstones(repository_));
    bool is_any_new = false;
    for (const Tombstone& tombstone : tombstones)
        for (const ObjectId& object : tombstone.record.objects) {
            is_any_new = is_any_new || !index_->is_condemned(object);
            index_->condemn(object);
        }
    return is_any_new;
}

// The pruner may have listed the points before this one was there: what it condemned may go at any moment, and what
// it did not, stays. Another one, that waits for no fenced session, may condemn more meanwhile, and may have marked
// the point before all of it was there again: until a fragment names what was stored again, and nothing more is
// condemned. One that condemns later than that finds the point whole.
Status WriteSession::verify(const RestorePointRecord& record, const RestorePointId& point) {
    HF_TRY_STATUS(read_condemned());
    for (bool is_sure = false; !is_sure;) {
        HF_TRY_STATUS(store_condemned_again(record));
        HF_TRY(const bool is_any_new, read_condemned());
        is_sure = !is_any_new;
    }
    return set_verified(point);
}

Status WriteSession::store_condemned_again(const RestorePointRecord& record) {
    // A prune may have stored elsewhere what it took away.
    HF_TRY_STATUS(repository_.update_index());
    HF_TRY_STATUS(repository_.exclude_lost_containers());
    HF_TRY_STATUS(repository_.update_index());
    HF_TRY(ChunkReader* const reader, repository_.chunks());
    open_packs();
    ChunkMarker marker(*index_, *reader, repository_.keyring());
    marker.on_mark = [this](const ChunkId& id, const ChunkRange& part) {
        return store_again(id, part);
    };
    const Status marked = marker.mark(record.root);
    HF_TRY_STATUS(data_->finish(PackWriter::SmallRest::write));
    HF_TRY_STATUS(metadata_->finish(PackWriter::SmallRest::write));
    // A client cannot read what it would have to store again, and nobody what is frozen.
    if (!marked.ok() && (marked.error().code() == ErrorCode::corrupt ||
                         marked.error().code() == ErrorCode::frozen ||
                         marked.error().code() == ErrorCode::not_found ||
                         marked.error().code() == ErrorCode::permission_denied))
        return gone(marked.error());
    HF_TRY_STATUS(marked);
    collect(*data_);
    collect(*metadata_);
    return write_fragment();
}

Status WriteSession::verify_if_fenced(const PointName& name) {
    HF_TRY(const bool fenced, is_fenced(repository_, id()));
    if (!fenced) return {};
    HF_TRY_STATUS(set_verified(name.id));
    const auto point = repository_.storage().head(point_name(name));
    if (!point.ok() && point.error().code() == ErrorCode::not_found) return gone(point.error());
    return point.ok() ? ok_status() : Status(point.error());
}

Status WriteSession::set_verified(const RestorePointId& point) {
    PointInfo verified;
    verified.id = point;
    return repository_.set_mark(verified, MarkKind::verified, "fenced by a prune");
}

// A chunk that can still be read and may be gone soon, or after a crash.
Status WriteSession::store_again(const ChunkId& id, const ChunkRange& part) {
    HF_TRY(const LocatedChunk located, index_->locate(id, part));
    if (located.is_named && !index_->is_condemned(located.container.header.object)) return {};
    HF_TRY(ChunkReader* const reader, repository_.chunks());
    HF_TRY(EncodedChunk chunk, reader->read_frames(located));
    return append(std::move(chunk));
}

Status WriteSession::abandon() {
    HF_TRY(const auto data, data_->finish(PackWriter::SmallRest::write));
    HF_TRY(const auto metadata, metadata_->finish(PackWriter::SmallRest::write));
    const std::lock_guard lock(fragment_mutex_);
    collect(*data_);
    collect(*metadata_);
    HF_TRY_STATUS(write_fragment());
    lease_.give_back();
    return {};
}

}  // namespace holdfast
