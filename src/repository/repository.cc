#include "repository/repository.h"

#include <algorithm>
#include <set>

#include "base/file_io.h"

namespace holdfast {
namespace {

constexpr std::uint64_t max_fragment_bytes = 1u << 30;
// Fragments up to this flat size stay in memory; folding bounds how many there are.
constexpr std::size_t cached_fragment_bytes = 256u << 10;
// Objects of a tier that are folded into one of the next: one object in 16 is a fold, one in 256 a
// fold of folds, so a commit costs 1.07 objects.
constexpr std::size_t fold_width = 16;
// A fold holds its chunks in memory, 130 bytes each: 34 MiB. Larger fragments stay as they are.
constexpr std::size_t max_folded_chunks = 1u << 18;

std::uint64_t parse_hex64(std::string_view text) {
    std::uint64_t value = 0;
    for (const std::uint8_t byte : from_hex(text)) value = value << 8 | byte;
    return value;
}

std::string fragment_name(std::uint8_t tier, const ObjectId& id) {
    return "index/" + to_hex(std::array{tier}) + '-' + id.hex();
}

struct FragmentName {
    std::uint8_t tier = 0;
    ObjectId id{};
};

std::optional<FragmentName> parse_fragment_name(std::string_view name) {
    if (!name.starts_with("index/") || name.size() != 6 + 3 + 32 || name[8] != '-')
        return std::nullopt;
    const Bytes tier = from_hex(name.substr(6, 2));
    const auto id = ObjectId::from_hex(name.substr(9));
    if (tier.size() != 1 || !id) return std::nullopt;
    return FragmentName{tier[0], *id};
}

std::string points_prefix(const std::optional<SourceId>& source) {
    return source ? "points/" + source->hex() + '/' : "points/";
}

PointInfo known_by_name(const PointName& name, std::uint64_t object_bytes) {
    PointInfo point;
    point.id = name.id;
    point.source = name.source;
    point.inverted_time = name.inverted_time;
    point.object_bytes = object_bytes;
    return point;
}

constexpr std::string_view deleted_suffix = "/deleted", held_suffix = "/held";

std::string mark_name(const RestorePointId& point, MarkKind kind) {
    return "marks/" + point.hex() +
           std::string(kind == MarkKind::deleted ? deleted_suffix : held_suffix);
}

// Which points are marked.
struct Marks {
    std::set<RestorePointId> deleted, held;

    void apply(PointInfo& point) const {
        point.is_deleted = deleted.contains(point.id);
        point.is_held = held.contains(point.id);
    }
};

Result<Marks> list_marks(Storage& storage) {
    Marks marks;
    HF_TRY_STATUS(storage.list("marks/", [&](const ObjectInfo& info) {
        // marks/<32>/<kind>
        const auto id = RestorePointId::from_hex(info.name.substr(6, 32));
        if (id && info.name.ends_with(deleted_suffix)) marks.deleted.insert(*id);
        if (id && info.name.ends_with(held_suffix)) marks.held.insert(*id);
        return true;
    }));
    return marks;
}

// Ascending, each id once.
void sort_chunks(std::vector<ChunkLocation>& chunks) {
    std::sort(chunks.begin(), chunks.end(),
              [](const auto& a, const auto& b) { return a.id < b.id; });
    chunks.erase(std::unique(chunks.begin(), chunks.end(),
                             [](const auto& a, const auto& b) { return a.id == b.id; }),
                 chunks.end());
}

// One damaged point, or one of a newer format, must not shut out the others; `check` names it. One
// that is gone was removed after it was listed.
bool is_one_points_matter(const Error& error) {
    return error.code() == ErrorCode::corrupt || error.code() == ErrorCode::unsupported ||
           error.code() == ErrorCode::not_found;
}

// What a point's own object says of its chunks.
IndexFragmentRecord fragment_of_point(const PointName& name,
                                      const EnvelopeHeader& header,
                                      const ObjectTable& table,
                                      std::uint64_t object_bytes) {
    IndexFragmentRecord record;
    if (table.chunks.empty()) return record;
    record.containers.push_back({header, {}, name.source, name.inverted_time, object_bytes});
    record.chunks = locations_of(table, header, 0);
    sort_chunks(record.chunks);
    return record;
}

}  // namespace

std::optional<PointName> parse_point_name(std::string_view name) {
    // points/<16>/<16>-<32>
    if (!name.starts_with("points/") || name.size() != 7 + 16 + 1 + 16 + 1 + 32 ||
        name[23] != '/' || name[40] != '-')
        return std::nullopt;
    const auto source = SourceId::from_hex(name.substr(7, 16));
    const auto id = RestorePointId::from_hex(name.substr(41));
    if (!source || !id || from_hex(name.substr(24, 16)).size() != 8) return std::nullopt;
    return PointName{*source, parse_hex64(name.substr(24, 16)), *id};
}

std::string point_name(const PointName& name) {
    Container container;
    container.header.kind = ObjectKind::restore_point;
    container.header.object = name.id;
    container.source = name.source;
    container.inverted_time = name.inverted_time;
    return container_name(container);
}

Result<Index*> Repository::index() {
    std::lock_guard lock(index_mutex_);
    if (!index_loaded_) {
        HF_TRY_STATUS(load_index());
        index_loaded_ = true;
        chunks_.emplace(*storage_, *keyring_, index_, [this]() -> Status {
            HF_TRY_STATUS(find_unindexed());
            return {};
        });
    }
    return &index_;
}

Result<ChunkReader*> Repository::chunks() {
    HF_TRY_STATUS(index());
    return &*chunks_;
}

Result<std::shared_ptr<FlatFragment>> Repository::load_fragment(const ObjectInfo& info) {
    if (!cache_directory_.empty()) {
        auto fragment = FlatFragment::from_file(cache_directory_ + '/' + info.name);
        if (fragment.ok()) return fragment;
    }
    HF_TRY(const Bytes object, storage_->get(info.name, max_fragment_bytes));
    auto end = open_object(object, *keyring_, ObjectKind::index_fragment);
    if (!end.ok()) return std::move(end).error().with_context("reading " + info.name);
    HF_TRY(const IndexFragmentRecord record, decode_index_fragment(end->record));
    return cached_fragment(info.name, record);
}

Result<std::shared_ptr<FlatFragment>> Repository::cached_fragment(
    const std::string& name, const IndexFragmentRecord& record) const {
    Bytes flat = FlatFragment::layout(record);
    const std::string path = cache_directory_ + '/' + name;
    if (!cache_directory_.empty() && flat.size() >= cached_fragment_bytes &&
        replace_file(path, flat, 0600).ok()) {
        auto fragment = FlatFragment::from_file(path);
        if (fragment.ok()) return fragment;
    }
    return FlatFragment::from_memory(std::move(flat));
}

Status Repository::load_index() {
    // A write-only client can read none of it: it deduplicates within its own session.
    if (keyring_->role() == KeyRole::writer) return {};
    HF_TRY(const auto points, list_objects(*storage_, "points/"));
    HF_TRY(auto objects, list_objects(*storage_, "index/"));
    // Highest tier first: what a fragment supersedes is then never read.
    std::reverse(objects.begin(), objects.end());
    for (const ObjectInfo& info : objects) {
        const auto name = parse_fragment_name(info.name);
        if (!name || superseded_.contains(name->id) || !loaded_fragments_.insert(name->id).second)
            continue;
        auto loaded = load_fragment(info);
        // What a damaged one says is found elsewhere, only more slowly; `check` names it. One that is
        // gone was replaced meanwhile.
        if (!loaded.ok() && (loaded.error().code() == ErrorCode::corrupt ||
                             loaded.error().code() == ErrorCode::not_found)) {
            index_has_gaps_ = true;
            continue;
        }
        if (!loaded.ok()) return std::move(loaded).error();
        const std::shared_ptr<FlatFragment> fragment = *loaded;
        for (const ObjectId& id : fragment->record().supersedes) superseded_.insert(id);
        for (const FoldedPoint& point : fragment->record().points) folded_.insert(point.id);
        index_.add(fragment);
    }
    HF_TRY_STATUS(load_points(points));
    return index_has_gaps_ && !unindexed_ ? add_unindexed() : ok_status();
}

Status Repository::unindexed_packs(const std::optional<SessionId>& session,
                                   const TakeFragment& take) {
    constexpr std::size_t part_chunks = 65536;
    const std::set<ObjectId> known = index_.containers();
    IndexFragmentRecord part;
    const auto take_part = [&]() -> Status {
        sort_chunks(part.chunks);
        return part.chunks.empty() ? ok_status() : take(std::exchange(part, {}));
    };
    for (const auto& [folder, kind] : {std::pair{"data/", ObjectKind::data_pack},
                                       std::pair{"meta/", ObjectKind::metadata_pack}}) {
        HF_TRY(const auto objects,
               list_objects(*storage_, session ? folder + session->hex() + '/' : folder));
        for (const ObjectInfo& info : objects) {
            // data/<16>/<32>
            const auto writer = SessionId::from_hex(std::string_view(info.name).substr(5, 16));
            const auto id = ObjectId::from_hex(info.name.substr(info.name.rfind('/') + 1));
            if (!writer || !id || known.contains(*id)) continue;
            auto end = read_object_end(*storage_, *keyring_, info.name, info.bytes, kind);
            // Torn by a crash of the machine, or damaged: garbage here. Or removed meanwhile.
            if (!end.ok() && (end.error().code() == ErrorCode::corrupt ||
                              end.error().code() == ErrorCode::not_found))
                continue;
            if (!end.ok()) return std::move(end).error();
            const auto number = static_cast<std::uint32_t>(part.containers.size());
            part.containers.push_back({end->trailer.header, *writer, {}, 0, info.bytes});
            for (ChunkLocation& chunk : locations_of(end->table, end->trailer.header, number))
                part.chunks.push_back(std::move(chunk));
            if (part.chunks.size() >= part_chunks) HF_TRY_STATUS(take_part());
        }
    }
    return take_part();
}

// For who holds the mutex.
Status Repository::add_unindexed() {
    std::set<ObjectId> found;
    HF_TRY_STATUS(unindexed_packs(std::nullopt, [&](IndexFragmentRecord part) -> Status {
        for (const Container& container : part.containers) found.insert(container.header.object);
        const std::string name = "index/found-" + part.containers[0].header.object.hex();
        HF_TRY(auto fragment, cached_fragment(name, part));
        index_.add(std::move(fragment));
        return {};
    }));
    // Only now: a listing that failed is tried again.
    unindexed_ = std::move(found);
    return {};
}

Result<std::set<ObjectId>> Repository::find_unindexed() {
    HF_TRY_STATUS(index());
    std::lock_guard lock(index_mutex_);
    if (!unindexed_) {
        // A fold may have replaced fragments since they were listed.
        HF_TRY_STATUS(load_index());
        if (!unindexed_) HF_TRY_STATUS(add_unindexed());
    }
    return *unindexed_;
}

Status Repository::load_points(const std::vector<ObjectInfo>& points) {
    for (const ObjectInfo& info : points) {
        const auto name = parse_point_name(info.name);
        if (!name || folded_.contains(name->id) || !loaded_points_.insert(name->id).second) continue;
        const auto end = read_object_end(
            *storage_, *keyring_, info.name, info.bytes, ObjectKind::restore_point);
        if (!end.ok() && !is_one_points_matter(end.error())) return end.error();
        if (!end.ok() || !check_identity(*end, name->id, info.name).ok()) continue;
        add_point_to_index(*name, end->trailer.header, end->table, end->object_bytes);
    }
    return {};
}

// Points that were committed since the index was loaded may refer to newer fragments.
Status Repository::refresh_index(const std::vector<ObjectInfo>& points) {
    std::lock_guard lock(index_mutex_);
    for (const ObjectInfo& info : points) {
        const auto name = parse_point_name(info.name);
        if (name && !folded_.contains(name->id) && !loaded_points_.contains(name->id))
            return load_index();
    }
    return {};
}

void Repository::add_point_to_index(const PointName& name,
                                    const EnvelopeHeader& header,
                                    const ObjectTable& table,
                                    std::uint64_t object_bytes) {
    const auto record = fragment_of_point(name, header, table, object_bytes);
    if (record.chunks.empty()) return;
    auto fragment = FlatFragment::from_memory(FlatFragment::layout(record));
    HF_CHECK(fragment.ok());
    index_.add(std::move(fragment).value());
}

Result<PointInfo> Repository::read_point(const ObjectInfo& info, const PointName& name) {
    HF_TRY(const ObjectEnd end, read_object_end(*storage_, *keyring_, info.name, info.bytes,
                                                ObjectKind::restore_point));
    PointInfo point = known_by_name(name, info.bytes);
    HF_TRY_STATUS(check_identity(end, name.id, info.name));
    auto record = decode_restore_point(end.record);
    if (!record.ok()) return std::move(record).error().with_context("reading " + info.name);
    // A storage must not be able to pass an old point off as a new one, or as another source's.
    if (keyring_->source_id(record->host, record->name) != name.source ||
        inverted_time_of(record->started) != name.inverted_time)
        return Error(ErrorCode::corrupt, info.name + ": not the restore point that its name says");
    point.record = std::move(record).value();
    return point;
}

// A damaged point must not hide the others: it is shown as what its name tells.
Result<PointInfo> Repository::read_point_or_damage(const ObjectInfo& info, const PointName& name) {
    auto read = read_point(info, name);
    if (read.ok() || read.error().code() == ErrorCode::not_found ||
        !is_one_points_matter(read.error()))
        return read;
    PointInfo point = known_by_name(name, info.bytes);
    point.is_damaged = true;
    point.damage = read.error();
    point.record.started = static_cast<TimeNs>(UINT64_MAX - name.inverted_time);
    return point;
}

Result<std::vector<PointInfo>> Repository::points(std::optional<SourceId> source) {
    HF_TRY(const Marks marks, list_marks(*storage_));
    // Folded points are known from the index, which is cached; others are read one by one.
    HF_TRY_STATUS(index());
    HF_TRY(const auto objects, list_objects(*storage_, points_prefix(source)));
    HF_TRY_STATUS(refresh_index(objects));
    std::unordered_map<RestorePointId, std::shared_ptr<const FlatFragment>, IdHash<RestorePointId>>
        folded;
    for (const auto& fragment : index_.fragments())
        for (const FoldedPoint& point : fragment->record().points)
            folded.emplace(point.id, fragment);
    std::vector<PointInfo> result;
    for (const ObjectInfo& info : objects) {
        const auto name = parse_point_name(info.name);
        if (!name) continue;
        PointInfo point = known_by_name(*name, info.bytes);
        const auto found = folded.find(name->id);
        if (found != folded.end()) {
            const auto& list = found->second->record().points;
            const auto it = std::find_if(list.begin(), list.end(),
                                         [&](const FoldedPoint& p) { return p.id == name->id; });
            HF_TRY(point.record, decode_restore_point(it->record));
        } else {
            auto read = read_point_or_damage(info, *name);
            if (!read.ok() && read.error().code() == ErrorCode::not_found) continue;
            if (!read.ok()) return read.error();
            point = std::move(*read);
        }
        marks.apply(point);
        result.push_back(std::move(point));
    }
    return result;
}

Result<std::vector<PointInfo>> Repository::latest(
    std::optional<SourceId> source, const std::function<Choice(const PointInfo&)>& choose) {
    HF_TRY(const Marks marks, list_marks(*storage_));
    std::vector<PointInfo> taken;
    std::optional<SourceId> done;
    // Names are sorted newest first within a source.
    const auto visit = [&](const ObjectInfo& info) -> Status {
        const auto name = parse_point_name(info.name);
        if (!name || done == name->source) return {};
        auto read = read_point_or_damage(info, *name);
        if (!read.ok() && read.error().code() == ErrorCode::not_found) return {};
        if (!read.ok()) return read.error();
        PointInfo& point = *read;
        if (point.record.is_partial) return {};
        marks.apply(point);
        const Choice choice = choose(point);
        if (choice == Choice::take) taken.push_back(std::move(point));
        if (choice != Choice::next_point) done = name->source;
        return {};
    };
    Status visited;
    HF_TRY_STATUS(storage_->list(points_prefix(source), [&](const ObjectInfo& info) {
        visited = visit(info);
        return visited.ok() && !(source && done);
    }));
    if (!visited.ok()) return visited.error();
    return taken;
}

Status Repository::put_record(ObjectKind kind,
                              const std::string& name,
                              ByteSpan record,
                              Durability durability) {
    return storage_->put(
        name, encode_record_object(keyring_->new_object(kind, random_), record), durability);
}

Result<Bytes> Repository::get_record(ObjectKind kind, const std::string& name) {
    HF_TRY(const Bytes object, storage_->get(name, 64u << 20));
    auto end = open_object(object, *keyring_, kind);
    if (!end.ok()) return std::move(end).error().with_context("reading " + name);
    return std::move(end->record);
}

Result<std::uint64_t> Repository::store_fragment(IndexFragmentRecord record) {
    const ObjectKey key = keyring_->new_object(ObjectKind::index_fragment, random_);
    const std::string name = fragment_name(record.tier, key.header.object);
    const Bytes object = encode_record_object(key, encode_index_fragment(record));
    HF_TRY_STATUS(storage_->put(name, object, Durability::immediate));
    {
        std::lock_guard lock(index_mutex_);
        loaded_fragments_.insert(key.header.object);
    }
    HF_TRY(std::shared_ptr<FlatFragment> fragment, cached_fragment(name, record));
    index_.add(std::move(fragment));
    return std::uint64_t{object.size()};
}

namespace {

// Merges containers and chunks of `from` into `into`; chunks are sorted afterwards by the caller.
void merge_fragment(const FlatFragment& from, IndexFragmentRecord& into) {
    const std::uint32_t base = static_cast<std::uint32_t>(into.containers.size());
    into.containers.insert(
        into.containers.end(), from.containers().begin(), from.containers().end());
    for (std::size_t i = 0; i < from.chunk_count(); ++i) {
        ChunkLocation location = from.location(i);
        location.container += base;
        into.chunks.push_back(std::move(location));
    }
    into.points.insert(
        into.points.end(), from.record().points.begin(), from.record().points.end());
}

}  // namespace

// What waits to be folded: live fragments by tier, and points that none of them has.
struct Repository::FoldCandidates {
    std::map<ObjectId, std::shared_ptr<FlatFragment>> live;
    std::map<std::uint8_t, std::vector<ObjectId>> tiers;
    std::vector<ObjectInfo> unfolded;

    std::size_t chunks_of(const std::vector<ObjectId>& fragments) const {
        std::size_t chunks = 0;
        for (const ObjectId& id : fragments) chunks += live.at(id)->chunk_count();
        return chunks;
    }
};

Result<Repository::FoldCandidates> Repository::fold_candidates() {
    FoldCandidates found;
    HF_TRY(const auto points, list_objects(*storage_, "points/"));
    HF_TRY(const auto objects, list_objects(*storage_, "index/"));
    if (objects.size() + points.size() < fold_width) return found;
    std::set<ObjectId> superseded;
    std::set<RestorePointId> folded;
    for (auto it = objects.rbegin(); it != objects.rend(); ++it) {
        const auto name = parse_fragment_name(it->name);
        if (!name || superseded.contains(name->id)) continue;
        const auto loaded = load_fragment(*it);
        // A damaged one stays as it is, for `check` to name.
        if (!loaded.ok() && loaded.error().code() == ErrorCode::corrupt) continue;
        if (!loaded.ok()) return loaded.error();
        const std::shared_ptr<FlatFragment>& fragment = *loaded;
        for (const ObjectId& id : fragment->record().supersedes) superseded.insert(id);
        for (const FoldedPoint& point : fragment->record().points) folded.insert(point.id);
        found.live.emplace(name->id, fragment);
        found.tiers[name->tier].push_back(name->id);
    }
    for (const ObjectInfo& info : points) {
        const auto name = parse_point_name(info.name);
        if (name && !folded.contains(name->id)) found.unfolded.push_back(info);
    }
    return found;
}

Result<std::uint64_t> Repository::fold() {
    if (keyring_->role() == KeyRole::writer) return std::uint64_t{0};
    HF_TRY(FoldCandidates found, fold_candidates());
    std::size_t chunks = found.chunks_of(found.tiers[0]);
    if (found.tiers[0].size() + found.unfolded.size() < fold_width || chunks > max_folded_chunks)
        return std::uint64_t{0};
    // One object takes tier 0, and every tier above that becomes full by it.
    IndexFragmentRecord merged;
    merged.tier = 1;
    std::vector<ObjectId> sources = found.tiers[0];
    while (found.tiers[merged.tier].size() + 1 >= fold_width) {
        const auto& tier = found.tiers[merged.tier];
        chunks += found.chunks_of(tier);
        if (chunks > max_folded_chunks) break;
        sources.insert(sources.end(), tier.begin(), tier.end());
        ++merged.tier;
    }
    for (const ObjectId& id : sources) merge_fragment(*found.live.at(id), merged);
    merged.supersedes = sources;
    for (const ObjectInfo& info : found.unfolded) {
        const PointName name = *parse_point_name(info.name);
        const auto end = read_object_end(
            *storage_, *keyring_, info.name, info.bytes, ObjectKind::restore_point);
        if (!end.ok()) continue;  // damaged: stays as it is
        IndexFragmentRecord one =
            fragment_of_point(name, end->trailer.header, end->table, end->object_bytes);
        one.points.push_back({name.source, name.inverted_time, name.id, info.bytes, end->record});
        HF_TRY(const auto flat, FlatFragment::from_memory(FlatFragment::layout(one)));
        merge_fragment(*flat, merged);
    }
    sort_chunks(merged.chunks);
    const ObjectKey key = keyring_->new_object(ObjectKind::index_fragment, random_);
    const Bytes object = encode_record_object(key, encode_index_fragment(merged));
    HF_TRY_STATUS(storage_->put(
        fragment_name(merged.tier, key.header.object), object, Durability::immediate));
    return std::uint64_t{object.size()};
}

Status Repository::exclude_lost_containers() {
    HF_TRY(Index* const known, index());
    std::unordered_map<std::string, std::uint64_t> present;
    for (const char* folder : {"data/", "meta/", "points/"})
        HF_TRY_STATUS(storage_->list(folder, [&present](const ObjectInfo& info) {
            present.emplace(info.name, info.bytes);
            return true;
        }));
    for (const auto& fragment : known->fragments()) {
        for (const Container& container : fragment->containers()) {
            const auto found = present.find(container_name(container));
            if (found == present.end() || found->second != container.object_bytes)
                known->exclude(container.header.object);
        }
    }
    return {};
}

Status Repository::set_mark(const PointInfo& point, MarkKind kind, const std::string& reason) {
    const MarkRecord mark{kind, point.id, clock_.now(), reason};
    Status put = put_record(
        ObjectKind::mark, mark_name(point.id, kind), encode_mark(mark), Durability::immediate);
    if (!put.ok() && put.error().code() == ErrorCode::already_exists) return {};
    return put;
}

Status Repository::clear_mark(const PointInfo& point, MarkKind kind) {
    return storage_->remove(mark_name(point.id, kind));
}

Result<std::map<std::string, Repository::Usage>> Repository::usage() {
    std::map<std::string, Usage> folders;
    HF_TRY_STATUS(storage_->list("", [&folders](const ObjectInfo& info) {
        const std::size_t slash = info.name.find('/');
        Usage& usage = folders[slash == std::string::npos ? "config" : info.name.substr(0, slash)];
        ++usage.objects;
        usage.bytes += info.bytes;
        return true;
    }));
    return folders;
}

}  // namespace holdfast
