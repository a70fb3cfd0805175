#include "repository/check.h"

#include <algorithm>
#include <set>
#include <unordered_set>

#include "base/worker_pool.h"
#include "repository/check_log.h"
#include "repository/leases.h"
#include "repository/marks.h"
#include "repository/tree_reader.h"

namespace holdfast {
namespace {

constexpr std::size_t max_reported_problems = 1000;

// What nothing refers to may be removed after it was listed: marks, partial points.
template <typename T>
bool is_gone(const Result<T>& result) {
    return !result.ok() && result.error().code() == ErrorCode::not_found;
}

// Damage reads best behind the name of what it is in.
Error named(const std::string& name, const Error& error) {
    return {error.code(), name + ": " + error.describe()};
}

enum class IndexState : std::uint8_t { is_current, is_outdated };

class Check {
  public:
    Check(Repository& repository,
          const CheckOptions& options,
          Progress& progress,
          std::stop_token stop)
        : repository_(repository), options_(options), progress_(progress), stop_(std::move(stop)) {}

    Result<CheckReport> run(IndexState state);
    // After run(): whether a prune took away what this check looked for. Reads the index anew.
    Result<bool> was_overtaken();

  private:
    struct StoredContainer {
        Container container;
        std::vector<ChunkLocation> chunks;  // as the index has them
        bool is_to_be_read = false;         // within the budget
        bool is_frozen = false;
    };

    void problem(const std::string& what);
    // What a newer program has written is no damage.
    void problem(const Error& error);
    Status cancelled() const;
    Status collect_containers();
    Status find_frozen();
    void frozen(const StoredContainer& stored);
    std::vector<StoredContainer*> in_order(const CheckLog& log);
    void check_containers();
    void check_container(const StoredContainer& stored);
    void report_reads(CheckLog& log);
    void missing(const StoredContainer& stored, const std::string& name);
    bool has_time() const;
    bool read_container(const StoredContainer& stored, const ObjectEnd& end);
    void check_folded_points();
    Status check_end(const std::string& name, const EnvelopeTrailer& trailer, const Parity& parity);
    void container_problem(const StoredContainer& stored, const Error& error);
    void check_unproven_deletions();
    void check_other_objects();
    void check_clear_object(const std::string& name, ObjectKind kind);
    Status check_points(const std::vector<PointInfo>& points);
    Status check_entry(const Entry& entry, const std::string& path);
    Status check_directory(const Entry& entry, const std::string& path);
    bool check_run(const Run& run);
    Status incomplete(const std::string& path, const Error& error);
    bool is_known(const ChunkId& root) const;
    template <typename Walk>
    Status check_tree(const ChunkId& root, Walk walk);
    Status add_unindexed();
    Status load_index(IndexState state);
    Status note_condemned(const std::vector<Tombstone>& tombstones);

    Repository& repository_;
    const CheckOptions options_;
    Progress& progress_;
    TimeNs began_ = 0;  // monotonic
    const std::stop_token stop_;
    ChunkReader* chunks_ = nullptr;
    Index* index_ = nullptr;
    std::map<std::string, std::uint64_t> objects_;  // name -> bytes; 120 bytes an object
    std::map<ObjectId, StoredContainer> containers_;
    // Containers that no fragment names: of a running backup, or because a fragment is lost.
    std::set<ObjectId> unindexed_;
    bool needs_unindexed_ = false;  // some restore point refers to one
    // Trees seen, and whether they are whole: a shared tree is walked once. 41 bytes a tree.
    std::unordered_map<ChunkId, bool, IdHash<ChunkId>> seen_;
    std::vector<std::string> unproven_deletions_;  // marks
    std::map<RestorePointId, std::string> damaged_points_;  // and their objects' names
    std::set<std::string> tombstones_;  // names, just before the index was read
    std::set<std::string> condemned_;   // containers that these name, and that were there then
    std::string point_;      // that is being checked, for messages
    bool is_whole_ = true;   // what has been walked of it, or of the innermost tree
    std::mutex mutex_;  // guards what follows
    std::set<ObjectId> bad_containers_;  // missing or unreadable
    std::set<RestorePointId> missing_points_;  // whose records the index keeps
    std::set<ObjectId> whole_containers_;  // whose data was read now
    std::unordered_map<ChunkId, Index::Containers, IdHash<ChunkId>> bad_chunks_;  // and where they are bad
    CheckReport report_;
};

void Check::problem(const std::string& what) {
    std::lock_guard lock(mutex_);
    ++report_.problem_count;
    ++progress_.problems;
    if (report_.problems.size() < max_reported_problems) report_.problems.push_back(what);
}

void Check::problem(const Error& error) {
    if (error.code() != ErrorCode::unsupported) return problem(error.describe());
    std::lock_guard lock(mutex_);
    ++report_.newer_count;
    if (report_.newer.size() < max_reported_problems) report_.newer.push_back(error.describe());
}

Status Check::cancelled() const {
    if (stop_.stop_requested()) return Error(ErrorCode::cancelled, "interrupted");
    return {};
}

Status Check::collect_containers() {
    HF_TRY_STATUS(repository_.storage().list("", [this](const ObjectInfo& info) {
        objects_.emplace(info.name, info.bytes);
        return true;
    }));
    for (const auto& fragment : index_->fragments()) {
        for (std::size_t i = 0; i < fragment->chunk_count(); ++i) {
            ChunkLocation location = fragment->location(i);
            if (location.container >= fragment->containers().size()) {
                problem("the index names a container that it does not have");
                continue;
            }
            const Container& container = fragment->containers()[location.container];
            StoredContainer& stored = containers_[container.header.object];
            stored.container = container;
            stored.chunks.push_back(std::move(location));
        }
    }
    return {};
}

// Where anything may be frozen, which is known without a request.
Status Check::find_frozen() {
    ColdTier* const tier = repository_.storage().cold_tier();
    if (tier == nullptr || !tier->may_be_frozen()) return {};
    std::map<std::string, StoredContainer*> packs;
    std::vector<std::string> names;
    for (auto& [id, stored] : containers_) {
        if (stored.container.header.kind != ObjectKind::data_pack) continue;
        names.push_back(container_name(stored.container));
        packs.emplace(names.back(), &stored);
    }
    return tier->look(names, [&packs](const std::string& name, const Readability& is) {
        packs.at(name)->is_frozen = is.state != Readability::State::readable;
    });
}

void Check::frozen(const StoredContainer& stored) {
    const std::lock_guard lock(mutex_);
    ++report_.objects;
    ++report_.frozen_packs;
    report_.frozen_bytes += stored.container.object_bytes;
}

// Only if there is one: their tables are read one by one.
Status Check::add_unindexed() {
    const std::set<ObjectId> known = index_->containers();
    bool has_unknown = false;
    for (const char* folder : {"data/", "meta/"})
        HF_TRY_STATUS(repository_.storage().list(folder, [&](const ObjectInfo& info) {
            const auto id = ObjectId::from_hex(info.name.substr(info.name.rfind('/') + 1));
            has_unknown = has_unknown || (id && !known.contains(*id));
            return !has_unknown;
        }));
    if (!has_unknown) return {};
    HF_TRY(unindexed_, repository_.find_unindexed());
    return {};
}

void Check::container_problem(const StoredContainer& stored, const Error& error) {
    // Since it was listed.
    if (error.code() == ErrorCode::not_found) return missing(stored, container_name(stored.container));
    if (error.code() == ErrorCode::frozen) return frozen(stored);
    if (error.code() != ErrorCode::unsupported) {
        std::lock_guard lock(mutex_);
        bad_containers_.insert(stored.container.header.object);
    }
    problem(error);
}

void Check::missing(const StoredContainer& stored, const std::string& name) {
    const ObjectId& id = stored.container.header.object;
    // A prune has deleted it and will mend the index. Should somebody need it, that is the problem.
    const bool is_expected = index_->is_condemned(id);
    {
        std::lock_guard lock(mutex_);
        bad_containers_.insert(id);
    }
    if (!is_expected) problem(name + ": missing");
}

// Existence, size, and that table and index agree; with data, every byte.
void Check::check_container(const StoredContainer& stored) {
    const std::string name = container_name(stored.container);
    const auto found = objects_.find(name);
    if (found == objects_.end()) return missing(stored, name);
    if (found->second != stored.container.object_bytes)
        return container_problem(
            stored, Error(ErrorCode::corrupt,
                          name + ": has " + std::to_string(found->second) + " bytes in place of " +
                              std::to_string(stored.container.object_bytes)));
    if (stored.is_frozen) return frozen(stored);
    const auto end = read_object_end(repository_.storage(), repository_.keyring(), name,
                                     found->second, stored.container.header.kind, OnDamage::fail);
    if (!end.ok()) return container_problem(stored, end.error());
    if (!end->trailer.check_holds) problem(name + ": damaged trailer");
    const Status identity = check_identity(*end, stored.container.header.object, name);
    if (!identity.ok()) return container_problem(stored, identity.error());
    std::map<std::uint32_t, ChunkLocation> table;  // by first frame: a chunk may stand in it twice
    for (ChunkLocation& chunk : locations_of(end->table, end->trailer.header, 0))
        table.emplace(chunk.first_frame, std::move(chunk));
    for (ChunkLocation chunk : stored.chunks) {
        chunk.container = 0;
        const auto in_table = table.find(chunk.first_frame);
        if (in_table == table.end() || in_table->second != chunk)
            problem(name + ": its table and the index disagree on chunk " +
                    chunk.id.hex().substr(0, 16));
    }
    const bool is_whole =
        stored.is_to_be_read && has_time() && read_container(stored, *end);
    progress_.bytes += found->second;
    std::lock_guard lock(mutex_);
    if (is_whole) whole_containers_.insert(stored.container.header.object);
    ++report_.objects;
    report_.chunks += end->table.chunks.size();
}

bool Check::has_time() const {
    return repository_.clock().monotonic() - began_ < options_.budget.time;
}

// Those that were never read first; says which are to be read.
std::vector<Check::StoredContainer*> Check::in_order(const CheckLog& log) {
    std::vector<std::pair<std::optional<TimeNs>, StoredContainer*>> order;
    std::uint64_t total = 0;
    for (auto& [id, stored] : containers_) {
        order.emplace_back(log.last(id), &stored);
        total += stored.container.object_bytes;
    }
    std::stable_sort(order.begin(), order.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    const ReadBudget& budget = options_.budget;
    std::uint64_t left = budget.bytes;
    if (budget.percent < 100) left = std::min(left, total / 100 * budget.percent + budget.percent);
    std::vector<StoredContainer*> containers;
    for (const auto& [time, stored] : order) {
        // At least one, or many checks of little would never read a large one.
        containers.push_back(stored);
        if (stored->is_frozen) continue;
        stored->is_to_be_read = options_.depth == CheckDepth::data && left != 0;
        left -= std::min(left, stored->container.object_bytes);
    }
    report_.data_bytes = total;
    return containers;
}

void Check::check_containers() {
    const std::string& cache = repository_.cache_directory();
    CheckLog log = CheckLog::load(cache.empty() ? "" : cache + "/checked");
    {
        WorkerPool pool(options_.threads, options_.threads);
        for (const StoredContainer* stored : in_order(log)) {
            if (stop_.stop_requested()) break;
            pool.submit([this, stored] { check_container(*stored); });
        }
    }
    if (options_.depth == CheckDepth::data) report_reads(log);
}

// Also of a check that was interrupted: what it has read need not be read soon again.
void Check::report_reads(CheckLog& log) {
    for (const ObjectId& id : whole_containers_) log.note(id, repository_.clock().now());
    for (const auto& [id, stored] : containers_) {
        const auto time = log.last(id);
        if (!time) report_.never_read_bytes += stored.container.object_bytes;
        else report_.oldest_read = std::min(report_.oldest_read.value_or(*time), *time);
    }
    log.save([this](const ObjectId& id) { return containers_.contains(id); });
}

// Reads an object chunk by chunk, in order, so that memory stays at one chunk. Whether all of it is whole.
bool Check::read_container(const StoredContainer& stored, const ObjectEnd& end) {
    const std::string name = container_name(stored.container);
    Storage& storage = repository_.storage();
    Hasher hasher;
    std::optional<ParityEncoder> parity;
    if (end.trailer.has_parity()) parity.emplace(end.trailer.parity);
    std::uint64_t position = 0;
    Bytes buffer;
    bool is_whole = true;
    // A pack that the index does not name may be what a crash has torn: garbage. A point that needs it says so.
    const ObjectId& object = stored.container.header.object;
    const bool is_named = !unindexed_.contains(object);
    const auto complain = [&](const Error& error) {
        is_whole = false;
        if (is_named || error.code() != ErrorCode::corrupt) problem(error);
    };
    const auto read_next = [&](std::uint64_t bytes) -> Status {
        buffer.resize(static_cast<std::size_t>(bytes));
        HF_TRY_STATUS(storage.read(name, position, buffer));
        hasher.update(buffer);
        if (parity) parity->update(buffer);
        position += bytes;
        return {};
    };
    Status status = read_next(end.trailer.header.encoded_bytes());
    for (ChunkLocation& location : locations_of(end.table, end.trailer.header, 0)) {
        if (!status.ok() || stop_.stop_requested()) break;
        std::uint64_t bytes = 0;
        for (const std::uint32_t frame : location.frame_bytes) bytes += frame;
        status = read_next(bytes);
        if (!status.ok()) break;
        const ChunkId id = location.id;
        const auto content =
            chunks_->decode({stored.container, std::move(location)}, buffer);
        if (content.ok()) continue;
        complain(named(name, content.error()));
        if (content.error().code() == ErrorCode::unsupported) continue;
        std::lock_guard lock(mutex_);
        bad_chunks_[id].insert(object);
    }
    if (status.ok() && !stop_.stop_requested()) {
        status = read_next(end.trailer.body_bytes - position);
        if (status.ok() && hasher.finish() != end.trailer.body_hash)
            complain({ErrorCode::corrupt, name + ": stored bytes do not match their checksum"});
    }
    if (!parity && end.trailer.parity.scheme == ParityLayout::reed_solomon)
        complain({ErrorCode::corrupt, name + ": damaged parity"});
    if (is_whole && parity && status.ok() && !stop_.stop_requested()) {
        status = check_end(name, end.trailer, parity->finish());
        position = end.trailer.object_bytes();
    }
    if (!status.ok() && status.error().code() == ErrorCode::not_found) {
        is_whole = false;
        missing(stored, name);
    } else if (!status.ok() && status.error().code() == ErrorCode::frozen) {
        // Since its table was read. It counts as an object there.
        is_whole = false;
        const std::lock_guard lock(mutex_);
        ++report_.frozen_packs;
        report_.frozen_bytes += stored.container.object_bytes;
    } else if (!status.ok()) {
        complain(status.error());
    }
    std::lock_guard lock(mutex_);
    report_.read_bytes += position;
    return is_whole && !stop_.stop_requested();
}

// What stands behind a body that is whole.
Status Check::check_end(const std::string& name,
                        const EnvelopeTrailer& trailer,
                        const Parity& parity) {
    Bytes stored(static_cast<std::size_t>(trailer.object_bytes() - trailer.body_bytes));
    HF_TRY_STATUS(repository_.storage().read(name, trailer.body_bytes, stored));
    const Status checked = check_object_end(trailer, parity, stored);
    return checked.ok() ? checked : named(name, checked.error());
}

// The index keeps the records of points: one whose object is gone was taken away by no prune.
void Check::check_folded_points() {
    for (const auto& fragment : index_->fragments()) {
        for (const FoldedPoint& point : fragment->record().points) {
            const std::string name = point_name({point.source, point.inverted_time, point.id});
            if (objects_.contains(name) || index_->is_condemned(point.id)) continue;
            const auto record = decode_restore_point(point.record);
            // A partial one goes when the next takes its place.
            if (record.ok() && record->is_partial) continue;
            // Or a prune has taken it since the index was read.
            missing_points_.insert(point.id);
            problem(name + ": missing");
        }
    }
}

namespace {

// Clients say of their own restore points that they are whole.
bool may_be_clients(const std::string& name, ObjectKind kind) {
    return kind == ObjectKind::index_fragment || kind == ObjectKind::restore_point || name.ends_with("/verified");
}

}  // namespace

// Last: to list the points anew brings into the index what has been stored since this check listed the objects.
void Check::check_unproven_deletions() {
    if (unproven_deletions_.empty()) return;
    const auto points = repository_.points(std::nullopt);
    if (!points.ok()) return problem(points.error());
    for (const std::string& name : unproven_deletions_) {
        const auto id = RestorePointId::from_hex(std::string_view(name).substr(6, 32));
        const auto hides_nothing = id ? deletion_hides_nothing(repository_, *id, *points) : Result<bool>(false);
        if (!hides_nothing.ok()) problem(hides_nothing.error());
        else if (!*hides_nothing) problem(name + ": stored by a write-only client, which has no say in this");
    }
}

bool is_fragment(const std::string& object, ByteSpan record) {
    const auto decoded = decode_index_fragment(record);
    const auto name = parse_fragment_name(object);
    return decoded.ok() && (!name || name->tier == decoded->tier);
}

// Objects that hold no chunks: points without data, fragments, leases, marks, keys.
void Check::check_other_objects() {
    for (const auto& [name, bytes] : objects_) {
        ObjectKind kind;
        if (name.starts_with("index/")) kind = ObjectKind::index_fragment;
        else if (name.starts_with("points/")) kind = ObjectKind::restore_point;
        else if (name.starts_with("marks/")) kind = ObjectKind::mark;
        else if (name.starts_with("fences/")) kind = ObjectKind::fence;
        else if (name.starts_with("clients/")) kind = ObjectKind::client;
        else if (name.starts_with("tombstones/")) kind = ObjectKind::tombstone;
        else if (name.starts_with("attestations/")) kind = ObjectKind::attestation;
        else if (const auto clear = clear_kind_of(name); clear && *clear != ObjectKind::config) {
            check_clear_object(name, *clear);
            continue;
        } else continue;
        const auto point = parse_point_name(name);
        if (point && containers_.contains(point->id)) continue;
        {
            std::lock_guard lock(mutex_);
            ++report_.objects;
        }
        if (options_.depth == CheckDepth::structure && kind != ObjectKind::index_fragment) {
            const auto end = read_object_end(
                repository_.storage(), repository_.keyring(), name, bytes, kind, OnDamage::fail);
            if (is_gone(end)) continue;
            if (!end.ok()) problem(end.error());
            else if (!end->trailer.check_holds) problem(name + ": damaged trailer");
            continue;
        }
        const auto object = repository_.storage().get(name, UINT32_MAX);
        if (is_gone(object)) continue;
        if (!object.ok()) {
            problem(object.error());
            continue;
        }
        const auto end = open_object(*object, repository_.keyring(), kind);
        if (!end.ok()) problem(named(name, end.error()));
        else if (kind == ObjectKind::index_fragment &&
                 !name.ends_with(end->trailer.header.object.hex()))
            problem(name + ": not the object that its name says");
        else if (kind == ObjectKind::index_fragment && !is_fragment(name, end->record))
            problem(name + ": damaged, or not the fragment that its name says");
        else if (end->trailer.header.key_mode == KeyMode::clear &&
                 !check_epoch_signature(*end, repository_.keyring()).ok())
            problem(name + ": not signed by anybody who can read the repository");
        else if (end->trailer.header.is_claim() && kind == ObjectKind::mark && name.ends_with("/deleted"))
            unproven_deletions_.push_back(name);
        else if (end->trailer.header.is_claim() && !may_be_clients(name, kind))
            problem(name + ": stored by a write-only client, which has no say in this");
        std::lock_guard lock(mutex_);
        report_.read_bytes += bytes;
    }
    for (const char* name : {"config", "config.2"}) check_clear_object(name, ObjectKind::config);
}

void Check::check_clear_object(const std::string& name, ObjectKind kind) {
    const auto object = repository_.storage().get(name, 1 << 20);
    if (!object.ok()) return problem(name + ": " + object.error().message());
    const auto record = open_clear_object(*object, kind);
    if (!record.ok()) return problem(named(name, record.error()));
    const Status right = check_clear_record(name, *record);
    if (!right.ok()) problem(named(name, right.error()));
}

bool Check::check_run(const Run& run) {
    if (run.kind != RunKind::data) return true;
    const ChunkRange part{run.chunk_offset, static_cast<std::uint32_t>(run.bytes)};
    // Any place that is whole will do.
    const auto bad = bad_chunks_.find(run.chunk);
    Index::Containers also_bad;
    if (bad != bad_chunks_.end()) {
        also_bad = bad_containers_;
        also_bad.insert(bad->second.begin(), bad->second.end());
    }
    const auto located =
        index_->locate(run.chunk, part, bad == bad_chunks_.end() ? bad_containers_ : also_bad);
    if (!needs_unindexed_ && located.ok() && unindexed_.contains(located->container.header.object)) {
        // A prune that is at work, or was killed, copies what a write-only client has stored, and is believed more.
        also_bad.insert(bad_containers_.begin(), bad_containers_.end());
        also_bad.insert(unindexed_.begin(), unindexed_.end());
        needs_unindexed_ = !index_->locate(run.chunk, part, also_bad).ok();
    }
    const bool can_be_had =
        located.ok() && located->location.purpose == ChunkPurpose::data &&
        run.chunk_offset + run.bytes <= located->location.raw_bytes &&
        containers_.contains(located->container.header.object);
    if (!can_be_had && options_.on_missing) options_.on_missing(run.chunk, part);
    return can_be_had;
}

// What a restore point lacks is said with its name: damage without one is of an object.
Status Check::incomplete(const std::string& path, const Error& error) {
    if (error.code() != ErrorCode::unsupported) is_whole_ = false;
    problem(named(point_ + ": /" + path, error));
    return {};
}

// Whether the tree below `root` was walked before, and is whole.
bool Check::is_known(const ChunkId& root) const {
    const auto found = seen_.find(root);
    if (found == seen_.end()) return false;
    // What is damaged is walked again: its files are named in each point that has them.
    return found->second;
}

// Walks what stands below `root`, and remembers whether it is whole.
template <typename Walk>
Status Check::check_tree(const ChunkId& root, Walk walk) {
    if (is_known(root)) return {};
    ++report_.nodes;
    const bool before = std::exchange(is_whole_, true);
    HF_TRY_STATUS(walk());
    seen_.emplace(root, is_whole_);
    is_whole_ = is_whole_ && before;
    return {};
}

Status Check::check_directory(const Entry& entry, const std::string& path) {
    const auto walk = [&]() -> Status {
        const Status walked = for_each_entry(*chunks_, entry, [&](const Entry& child) {
            return check_entry(child, path.empty() ? child.name : path + '/' + child.name);
        });
        if (walked.ok() || walked.error().code() == ErrorCode::cancelled) return walked;
        return incomplete(path, walked.error());
    };
    const auto* tree = std::get_if<DirectoryTree>(&entry.content);
    return tree == nullptr ? walk() : check_tree(tree->root, walk);
}

Status Check::check_entry(const Entry& entry, const std::string& path) {
    HF_TRY_STATUS(cancelled());
    if (entry.metadata.type == EntryType::directory) return check_directory(entry, path);
    if (entry.metadata.type != EntryType::file) return {};
    const auto walk = [&]() -> Status {
        bool whole = true;
        const Status walked = for_each_run(*chunks_, entry, [&](const Run& run) -> Status {
            whole = check_run(run) && whole;
            return {};
        });
        if (!walked.ok()) return incomplete(path, walked.error());
        if (whole) return {};
        return incomplete(path, {ErrorCode::corrupt, "a chunk of it is missing or damaged"});
    };
    const auto* tree = std::get_if<ExtentTree>(&entry.content);
    return tree == nullptr ? walk() : check_tree(tree->root, walk);
}

Status Check::check_points(const std::vector<PointInfo>& points) {
    for (const PointInfo& point : points) {
        HF_TRY_STATUS(cancelled());
        // A prune has begun to take its space: what it refers to may be gone, also with another point's object.
        if (point.is_deleted && index_->is_condemned(point.id)) continue;
        // Its session stores again what it lacks, or has failed: nobody was told of it.
        if (point.is_unverified) continue;
        // A partial point is nobody's backup, but the next one builds on it.
        if (!point.record.is_partial) ++report_.points;
        point_ = "restore point " + point.id.hex().substr(0, 12);
        is_whole_ = true;
        if (point.is_damaged) {
            is_whole_ = point.damage->code() == ErrorCode::unsupported;
            problem(named(point_, *point.damage));
        } else {
            HF_TRY_STATUS(check_entry(point.record.root, ""));
        }
        if (is_whole_) continue;
        report_.damaged_points.push_back(point.id.hex());
        damaged_points_.emplace(point.id, point_name({point.source, point.inverted_time, point.id}));
    }
    return {};
}

// Whether prunes went on meanwhile, so that what was found may be their doing: there are other tombstones than
// when the index was read; or something is gone that the index does not name any more, or a point that was
// found damaged goes. What lasts is found again.
Result<bool> Check::was_overtaken() {
    if (report_.problem_count == 0) return false;
    const std::set<std::string> tombstones_before = std::move(tombstones_);
    const std::set<std::string> condemned_before = std::move(condemned_);
    HF_TRY_STATUS(load_index(IndexState::is_outdated));
    if (tombstones_ != tombstones_before) return true;
    // What was swept since, though it was condemned before, may have been needed until it was copied.
    if (condemned_ != condemned_before) return true;
    std::set<ObjectId> named = index_->containers();
    for (const auto& fragment : index_->fragments())
        for (const FoldedPoint& point : fragment->record().points) named.insert(point.id);
    std::set<std::string> there;
    for (const char* folder : {"data/", "meta/", "points/"})
        HF_TRY_STATUS(repository_.storage().list(folder, [&there](const ObjectInfo& info) {
            there.insert(info.name);
            return true;
        }));
    const auto is_pruned = [&](const ObjectId& id) { return !named.contains(id); };
    for (const auto& [id, stored] : containers_)
        if (!there.contains(container_name(stored.container)) && is_pruned(id)) return true;
    if (std::ranges::any_of(missing_points_, is_pruned)) return true;
    return std::ranges::any_of(damaged_points_, [&](const auto& point) {
        return index_->is_condemned(point.first) || !there.contains(point.second);
    });
}

Status Check::note_condemned(const std::vector<Tombstone>& tombstones) {
    tombstones_.clear();
    condemned_.clear();
    std::set<ObjectId> ids;
    for (const Tombstone& tombstone : tombstones) {
        tombstones_.insert(tombstone.name);
        ids.insert(tombstone.record.objects.begin(), tombstone.record.objects.end());
    }
    if (ids.empty()) return {};
    for (const char* folder : {"data/", "meta/", "points/"})
        HF_TRY_STATUS(repository_.storage().list(folder, [&](const ObjectInfo& info) {
            const std::size_t id_at = info.name.size() < 32 ? 0 : info.name.size() - 32;
            const auto id = ObjectId::from_hex(std::string_view(info.name).substr(id_at));
            if (id && ids.contains(*id)) condemned_.insert(info.name);
            return true;
        }));
    return {};
}

// Tombstones first: what stays in use of what they name has been copied before, so this index has it.
Status Check::load_index(IndexState state) {
    HF_TRY(const auto tombstones, read_tombstones(repository_));
    HF_TRY_STATUS(note_condemned(tombstones));
    if (state == IndexState::is_outdated) HF_TRY_STATUS(repository_.reload_index());
    HF_TRY(index_, repository_.index());
    for (const Tombstone& tombstone : tombstones)
        for (const ObjectId& id : tombstone.record.objects) index_->condemn(id);
    return {};
}

Result<CheckReport> Check::run(IndexState state) {
    began_ = repository_.clock().monotonic();
    if (repository_.keyring().role() == KeyRole::writer)
        return Error(ErrorCode::permission_denied, "a write-only key cannot read the repository");
    HF_TRY_STATUS(load_index(state));
    HF_TRY(chunks_, repository_.chunks());
    // First: what these points refer to was stored before them, so it is in the listing and in the
    // index. A point that is committed from now on is not of this check.
    const auto points = repository_.points(std::nullopt);
    if (!points.ok()) problem(points.error());
    HF_TRY_STATUS(add_unindexed());
    HF_TRY_STATUS(collect_containers());
    HF_TRY_STATUS(find_frozen());
    for (const auto& [name, bytes] : objects_) progress_.total_bytes += bytes;
    check_folded_points();
    check_containers();
    HF_TRY_STATUS(cancelled());
    check_other_objects();
    if (points.ok()) HF_TRY_STATUS(check_points(*points));
    check_unproven_deletions();
    if (needs_unindexed_)
        problem("the index lacks objects that restore points need: they are found by listing all "
                "objects, which is slow");
    return report_;
}

}  // namespace

Result<CheckReport> run_check(Repository& repository,
                              const CheckOptions& options,
                              Progress& progress,
                              std::stop_token stop) {
    constexpr int max_attempts = 5;
    repository.read_past_cache();
    for (int attempt = 1;; ++attempt) {
        Check check(repository, options, progress, stop);
        HF_TRY(CheckReport report,
               check.run(attempt == 1 ? IndexState::is_current : IndexState::is_outdated));
        HF_TRY(const bool overtaken, check.was_overtaken());
        if (!overtaken) return report;
        if (attempt == max_attempts)
            return Error(ErrorCode::conflict, "prunes went on all the time: check again later");
    }
}

}  // namespace holdfast
