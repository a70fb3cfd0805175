#include "repository/repair.h"

#include <unistd.h>

#include <algorithm>

#include "repository/check.h"
#include "repository/fragment_merger.h"
#include "repository/mend_objects.h"
#include "repository/write_session.h"

namespace holdfast {
namespace {

// What is looked for in the other repository at once: 100 bytes each. What is more comes in the next round.
constexpr std::size_t max_missing_at_once = 100'000;

bool is_damage(const Error& error) {
    return error.code() == ErrorCode::corrupt || error.code() == ErrorCode::not_found;
}

class Repair {
  public:
    Repair(Repository& repository,
           const RepairOptions& options,
           const WriterIdentity& identity,
           Progress& progress,
           std::stop_token stop)
        : repository_(repository),
          storage_(repository.storage()),
          options_(options),
          identity_(identity),
          progress_(progress),
          stop_(std::move(stop)) {}

    Result<RepairReport> run();

  private:
    Status check_source() const;
    Status mend();
    Status work();
    Status find_sessions();
    Status index_packs();
    Status remove_bad_fragments();
    Status find_bad_containers();
    bool is_to_be_written_again(const FoldedPoint& point, const std::set<std::string>& present) const;
    Status find_unnamed();
    Status salvage();
    Status leave_condemned();
    Status salvage_chunk(const Container& container, const ChunkLocation& location);
    Status drop_from_index();
    Status write_points_again();
    Status remove_bad_packs();
    Status look();
    Status fetch_missing();
    Result<bool> fetch(const ChunkId& id, const ChunkRange& part, std::set<ChunkId>& done);
    Status set_marks();
    Status settle();
    bool is_beyond_mending(const std::string& name) const { return beyond_.contains(name); }

    Repository& repository_;
    Storage& storage_;
    const RepairOptions& options_;
    const WriterIdentity& identity_;
    Progress& progress_;
    const std::stop_token stop_;

    std::unique_ptr<WriteSession> session_;  // none in a dry run
    Index* index_ = nullptr;
    std::set<std::string> beyond_;
    std::set<SessionId> writers_;               // that hold a lease
    std::set<std::string> hopeless_;            // packs of which not even the table can be read
    std::map<ObjectId, Container> bad_;         // beyond mending, or missing
    std::map<RestorePointId, FoldedPoint> bad_points_;  // with the copy of their records
    std::map<ChunkId, std::vector<ChunkRange>> missing_;
    std::set<ChunkId> tried_;  // to fetch
    CheckReport check_;
    RepairReport report_;
};

// Chunk ids are the same only where the hash key is.
Status Repair::check_source() const {
    if (options_.from == nullptr) return {};
    if (options_.from->keyring().role() == KeyRole::writer)
        return Error(ErrorCode::permission_denied, "a write-only key cannot read the other repository");
    const SecretKey& own = repository_.keyring().writer().hash_key;
    const SecretKey& other = options_.from->keyring().writer().hash_key;
    if (std::ranges::equal(own.bytes(), other.bytes())) return {};
    return Error(ErrorCode::invalid_argument,
                 "the other repository names content otherwise: only one that was made with `init --like` "
                 "of this one, or the other way round, can help");
}

Status Repair::mend() {
    HF_TRY(MendReport mended, mend_objects(storage_, repository_.keyring().repository(),
                                           options_.dry_run, progress_, stop_));
    report_.objects = mended.objects;
    report_.read_bytes = mended.read_bytes;
    report_.mended = std::move(mended.mended);
    report_.frozen_objects = mended.frozen;
    beyond_ = std::move(mended.beyond_mending);
    report_.beyond_mending.assign(beyond_.begin(), beyond_.end());
    // What the local cache says of a fragment that is lost does not bring it back for others.
    if (!repository_.cache_directory().empty() && !options_.dry_run)
        for (const std::string& name : beyond_)
            if (name.starts_with("index/"))
                ::unlink((repository_.cache_directory() + '/' + name).c_str());
    return {};
}

Status Repair::find_sessions() {
    HF_TRY(const auto leases, list_leases(repository_));
    for (const HeldLease& lease : leases) writers_.insert(lease.session);
    return {};
}

// Packs that no readable fragment names. Those of a session that goes on are its own matter.
Status Repair::index_packs() {
    return repository_.unindexed_packs(std::nullopt, Repository::Trust::nothing, [this](IndexFragmentRecord found) -> Status {
        std::set<ObjectId> kept;
        for (const Container& container : found.containers)
            if (!writers_.contains(container.session)) kept.insert(container.header.object);
        report_.indexed_packs += kept.size();
        if (options_.dry_run || kept.empty()) return {};
        HF_TRY(const auto flat, FlatFragment::from_memory(FlatFragment::layout(found)));
        FragmentMerger merger([&kept](const ObjectId& id) { return kept.contains(id); });
        merger.add(*flat);
        return session_->name_packs(merger.take());
    });
}

// Their packs have been named anew.
Status Repair::remove_bad_fragments() {
    for (const std::string& name : beyond_)
        if (name.starts_with("index/")) HF_TRY_STATUS(storage_.remove(name));
    return {};
}

bool Repair::is_to_be_written_again(const FoldedPoint& point,
                                    const std::set<std::string>& present) const {
    const std::string name = point_name({point.source, point.inverted_time, point.id});
    if (index_->is_condemned(point.id)) return false;
    if (is_beyond_mending(name)) return true;
    if (present.contains(name)) return false;
    // A partial one goes when the next takes its place.
    const auto record = decode_restore_point(point.record);
    return record.ok() && !record->is_partial;
}

Status Repair::find_bad_containers() {
    std::set<std::string> present;
    for (const char* folder : {"data/", "meta/", "points/"})
        HF_TRY_STATUS(storage_.list(folder, [&present](const ObjectInfo& info) {
            present.insert(info.name);
            return true;
        }));
    for (const auto& fragment : index_->fragments()) {
        for (const Container& container : fragment->containers()) {
            const ObjectId& id = container.header.object;
            const std::string name = container_name(container);
            // What a pruner has condemned is its matter.
            if (index_->is_condemned(id) || (present.contains(name) && !is_beyond_mending(name))) continue;
            bad_.emplace(id, container);
        }
        for (const FoldedPoint& point : fragment->record().points)
            if (is_to_be_written_again(point, present)) bad_points_.emplace(point.id, point);
    }
    return find_unnamed();
}

// Packs beyond mending that no fragment names, with a table that can still be read: what is in them is salvaged, too.
Status Repair::find_unnamed() {
    const std::set<ObjectId> named = index_->containers();
    for (const std::string& name : beyond_) {
        const bool is_data = name.starts_with("data/");
        if (!is_data && !name.starts_with("meta/")) continue;
        const auto session = SessionId::from_hex(std::string_view(name).substr(5, 16));
        const auto id = ObjectId::from_hex(name.substr(name.rfind('/') + 1));
        if (!session || !id || named.contains(*id)) continue;
        if (writers_.contains(*session) || index_->is_condemned(*id)) continue;
        const auto info = storage_.head(name);
        if (!info.ok() && info.error().code() == ErrorCode::not_found) continue;
        HF_TRY_STATUS(info);
        const auto end = read_object_end(storage_, repository_.keyring(), name, info->bytes,
                                         is_data ? ObjectKind::data_pack : ObjectKind::metadata_pack);
        if (!end.ok() && !is_damage(end.error())) return end.error();
        if (!end.ok() || !check_identity(*end, *id, name).ok()) {
            hopeless_.insert(name);
            continue;
        }
        IndexFragmentRecord found;
        found.containers.push_back({end->trailer.header, *session, {}, 0, info->bytes});
        found.chunks = locations_of(end->table, end->trailer.header, 0);
        sort_chunks(found.chunks);
        HF_TRY(auto flat, FlatFragment::from_memory(FlatFragment::layout(found)));
        index_->add(std::move(flat), Index::Origin::pack_tables);
        bad_.emplace(*id, found.containers[0]);
    }
    return {};
}

Status Repair::salvage_chunk(const Container& container, const ChunkLocation& location) {
    if (index_->contains(location.id)) return {};
    // Nothing proves them, and nobody needs them.
    if (container.header.is_claim() && location.purpose == ChunkPurpose::fingerprints) return {};
    HF_TRY(ChunkReader* const reader, repository_.chunks());
    const LocatedChunk chunk{container, location};
    const auto content = reader->read(chunk);
    if (!content.ok() && !is_damage(content.error())) return content.error();
    if (!content.ok()) {
        ++report_.lost_chunks;
        return {};
    }
    ++report_.salvaged_chunks;
    if (options_.dry_run) return {};
    HF_TRY(EncodedChunk frames, reader->read_frames(chunk));
    return session_->append(std::move(frames));
}

// What can still be read of objects beyond mending. Each chunk is proven by its id.
Status Repair::salvage() {
    for (const auto& [id, container] : bad_) index_->exclude(id);
    const auto fragments = index_->fragments();
    for (const auto& fragment : fragments) {
        for (std::size_t i = 0; i < fragment->chunk_count(); ++i) {
            const std::uint32_t number = fragment->container_of(i);
            if (number >= fragment->containers().size()) continue;
            const Container& container = fragment->containers()[number];
            if (!bad_.contains(container.header.object)) continue;
            if (stop_.stop_requested()) return Error(ErrorCode::cancelled, "interrupted");
            HF_TRY_STATUS(salvage_chunk(container, fragment->location(i)));
        }
    }
    return options_.dry_run ? ok_status() : session_->store();
}

// Fragments that name what a pruner has condemned are its matter: one that took their place would still name it when
// the pruner has removed its tombstone. What is bad in them waits for the next repair.
Status Repair::leave_condemned() {
    return repository_.for_each_fragment([this](const ObjectInfo&, const FlatFragment& fragment,
                                                bool is_superseded) -> Status {
        const auto& containers = fragment.containers();
        const bool names_condemned =
            std::any_of(containers.begin(), containers.end(), [this](const Container& one) {
                return index_->is_condemned(one.header.object);
            });
        if (names_condemned && !is_superseded)
            for (const Container& one : containers) bad_.erase(one.header.object);
        return {};
    });
}

// So that nobody takes a lost chunk for one that is there.
Status Repair::drop_from_index() {
    if (!bad_.empty()) HF_TRY_STATUS(leave_condemned());
    if (bad_.empty()) return {};
    return repository_.for_each_fragment([this](const ObjectInfo& info,
                                                const FlatFragment& fragment,
                                                bool is_superseded) -> Status {
        const auto& containers = fragment.containers();
        const bool names_bad = std::any_of(
            containers.begin(), containers.end(),
            [this](const Container& one) { return bad_.contains(one.header.object); });
        if (!names_bad || is_superseded) return {};
        FragmentMerger merger([this](const ObjectId& id) { return !bad_.contains(id); });
        merger.add(fragment);
        IndexFragmentRecord record = merger.take();
        record.supersedes = fragment.record().supersedes;
        HF_TRY_STATUS(session_->replace_fragment(info.name, std::move(record)));
        return {};
    });
}

// A point of which the index has the record: its object is made anew, without the chunks, which have been
// salvaged.
Status Repair::write_points_again() {
    for (const auto& [id, point] : bad_points_) {
        HF_TRY_STATUS(session_->confirm());
        const std::string name = point_name({point.source, point.inverted_time, point.id});
        const Bytes object = encode_record_object(
            repository_.keyring().object_again(ObjectKind::restore_point, id, repository_.random()),
            point.record);
        if (is_beyond_mending(name)) {
            HF_TRY(const auto writer, storage_.begin_again(name));
            HF_TRY_STATUS(writer->append(object));
            HF_TRY_STATUS(writer->commit(Durability::immediate));
        } else {
            HF_TRY_STATUS(storage_.put(name, object, Durability::immediate));
        }
        std::erase(report_.beyond_mending, name);
        report_.mended.push_back(name);
    }
    return {};
}

Status Repair::remove_bad_packs() {
    for (const auto& [id, container] : bad_)
        if (container.header.kind != ObjectKind::restore_point)
            HF_TRY_STATUS(storage_.remove(container_name(container)));
    for (const std::string& name : hopeless_) HF_TRY_STATUS(storage_.remove(name));
    return storage_.barrier();
}

// What restore points lack now.
Status Repair::look() {
    missing_.clear();
    const auto note = [this](const ChunkId& id, const ChunkRange& part) {
        if (missing_.size() < max_missing_at_once || missing_.contains(id))
            missing_[id].push_back(part);
    };
    HF_TRY(ChunkReader* const reader, repository_.chunks());
    CheckOptions options;
    options.threads = options_.threads;
    options.on_missing = note;
    reader->on_missing = note;
    auto checked = run_check(repository_, options, progress_, stop_);
    HF_TRY(ChunkReader* const same, repository_.chunks());
    same->on_missing = nullptr;
    HF_TRY(check_, std::move(checked));
    return {};
}

// Whether the other repository has it.
Result<bool> Repair::fetch(const ChunkId& id, const ChunkRange& part, std::set<ChunkId>& done) {
    HF_TRY(Index* const index, options_.from->index());
    HF_TRY(ChunkReader* const reader, options_.from->chunks());
    const auto located = index->locate(id, part);
    if (!located.ok() && is_damage(located.error())) return false;
    HF_TRY(const LocatedChunk chunk, located);
    const auto content = reader->read(chunk);
    if (!content.ok() && is_damage(content.error())) return false;
    if (!content.ok()) return content.error();
    if (!done.insert(id).second || options_.dry_run) return true;
    HF_TRY(EncodedChunk frames, reader->read_frames(chunk));
    HF_TRY_STATUS(session_->append(std::move(frames)));
    return true;
}

// Nodes that come back may refer to chunks that are missing, too: until nothing more is found.
Status Repair::fetch_missing() {
    if (options_.from == nullptr) return {};
    for (;;) {
        std::set<ChunkId> done;
        const std::size_t tried_before = tried_.size();
        for (const auto& [id, parts] : missing_) {
            if (stop_.stop_requested()) return Error(ErrorCode::cancelled, "interrupted");
            // One place that has all parts is the rule: thinning leaves what is needed.
            // What comes again was fetched, and does not help: a run beyond its chunk's end.
            if (!tried_.insert(id).second) continue;
            HF_TRY(const bool has_all, fetch(id, whole_chunk, done));
            for (const ChunkRange& part : parts)
                if (!has_all) HF_TRY_STATUS(fetch(id, part, done));
        }
        report_.fetched_chunks += done.size();
        if (done.empty() || tried_.size() == tried_before || options_.dry_run) return {};
        HF_TRY_STATUS(session_->store());
        HF_TRY_STATUS(look());
    }
}

Status Repair::set_marks() {
    const std::set<std::string> damaged(check_.damaged_points.begin(), check_.damaged_points.end());
    HF_TRY(const auto points, repository_.points(std::nullopt));
    for (const PointInfo& point : points) {
        const bool is_damaged = damaged.contains(point.id.hex());
        if (is_damaged == point.is_incomplete || point.is_damaged) continue;
        HF_TRY_STATUS(is_damaged ? repository_.set_mark(point, MarkKind::incomplete, "repair")
                                 : repository_.clear_mark(point, MarkKind::incomplete));
    }
    return storage_.barrier();
}

// Everything that writes, in an order that a crash between any two of it leaves no worse.
Status Repair::settle() {
    HF_TRY_STATUS(drop_from_index());
    HF_TRY_STATUS(write_points_again());
    HF_TRY_STATUS(remove_bad_packs());
    HF_TRY_STATUS(repository_.reload_index());
    HF_TRY(index_, repository_.index());
    return {};
}

Status Repair::work() {
    HF_TRY(index_, repository_.index());
    HF_TRY_STATUS(find_sessions());
    HF_TRY_STATUS(index_packs());
    if (!options_.dry_run) HF_TRY_STATUS(remove_bad_fragments());
    HF_TRY_STATUS(find_bad_containers());
    HF_TRY_STATUS(salvage());
    if (!options_.dry_run) HF_TRY_STATUS(settle());
    HF_TRY_STATUS(look());
    HF_TRY_STATUS(fetch_missing());
    return options_.dry_run ? ok_status() : set_marks();
}

Result<RepairReport> Repair::run() {
    if (repository_.keyring().role() == KeyRole::writer)
        return Error(ErrorCode::permission_denied, "a write-only key cannot repair");
    HF_TRY_STATUS(check_source());
    HF_TRY_STATUS(mend());
    if (options_.dry_run) {
        HF_TRY_STATUS(work());
    } else {
        HF_TRY(session_, WriteSession::begin(repository_, identity_));
        const Status done = work();
        const Status ended = session_->abandon();
        HF_TRY_STATUS(done);
        HF_TRY_STATUS(ended);
    }
    report_.problems = std::move(check_.problems);
    report_.problem_count = check_.problem_count;
    report_.incomplete_points = std::move(check_.damaged_points);
    return std::move(report_);
}

}  // namespace

Result<RepairReport> run_repair(Repository& repository,
                                const RepairOptions& options,
                                const WriterIdentity& identity,
                                Progress& progress,
                                std::stop_token stop) {
    repository.read_past_cache();
    return Repair(repository, options, identity, progress, std::move(stop)).run();
}

}  // namespace holdfast
