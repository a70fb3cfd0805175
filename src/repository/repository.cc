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

std::string mark_name(const RestorePointId& point, MarkKind kind) {
    return (kind == MarkKind::deleted ? "deleted/" : "held/") + point.hex();
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
    std::sort(record.chunks.begin(), record.chunks.end(),
              [](const auto& a, const auto& b) { return a.id < b.id; });
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
        chunks_.emplace(*storage_, *keyring_, index_);
    }
    return &index_;
}

Result<ChunkReader*> Repository::chunks() {
    HF_TRY_STATUS(index());
    return &*chunks_;
}

Result<std::shared_ptr<FlatFragment>> Repository::load_fragment(const ObjectInfo& info) {
    const std::string cached =
        cache_directory_.empty() ? "" : cache_directory_ + '/' + info.name;
    if (!cached.empty()) {
        auto fragment = FlatFragment::from_file(cached);
        if (fragment.ok()) return fragment;
    }
    HF_TRY(const Bytes object, storage_->get(info.name, max_fragment_bytes));
    auto end = open_object(object, *keyring_, ObjectKind::index_fragment);
    if (!end.ok()) return std::move(end).error().with_context("reading " + info.name);
    HF_TRY(const IndexFragmentRecord record, decode_index_fragment(end->record));
    Bytes flat = FlatFragment::layout(record);
    if (!cached.empty() && flat.size() >= cached_fragment_bytes &&
        replace_file(cached, flat, 0600).ok()) {
        auto fragment = FlatFragment::from_file(cached);
        if (fragment.ok()) return fragment;
    }
    return FlatFragment::from_memory(std::move(flat));
}

Status Repository::load_index() {
    HF_TRY(auto objects, list_objects(*storage_, "index/"));
    // Highest tier first: what a fragment supersedes is then never read.
    std::reverse(objects.begin(), objects.end());
    std::set<ObjectId> superseded;
    std::set<RestorePointId> folded;
    for (const ObjectInfo& info : objects) {
        const auto name = parse_fragment_name(info.name);
        if (!name || superseded.contains(name->id)) continue;
        HF_TRY(std::shared_ptr<FlatFragment> fragment, load_fragment(info));
        for (const ObjectId& id : fragment->record().supersedes) superseded.insert(id);
        for (const FoldedPoint& point : fragment->record().points) folded.insert(point.id);
        index_.add(std::move(fragment));
    }
    if (keyring_->role() == KeyRole::writer) return {};
    HF_TRY(const auto points, list_objects(*storage_, "points/"));
    for (const ObjectInfo& info : points) {
        const auto name = parse_point_name(info.name);
        if (!name || folded.contains(name->id)) continue;
        HF_TRY(const ObjectEnd end, read_object_end(*storage_, *keyring_, info.name, info.bytes,
                                                    ObjectKind::restore_point));
        add_point_to_index(*name, end.trailer.header, end.table, end.object_bytes);
    }
    return {};
}

void Repository::add_to_index(const IndexFragmentRecord& record) {
    if (record.chunks.empty() && record.points.empty()) return;
    auto fragment = FlatFragment::from_memory(FlatFragment::layout(record));
    HF_CHECK(fragment.ok());
    index_.add(std::move(fragment).value());
}

void Repository::add_point_to_index(const PointName& name,
                                    const EnvelopeHeader& header,
                                    const ObjectTable& table,
                                    std::uint64_t object_bytes) {
    add_to_index(fragment_of_point(name, header, table, object_bytes));
}

Result<PointInfo> Repository::read_point(const ObjectInfo& info) {
    const auto name = parse_point_name(info.name);
    if (!name) return Error(ErrorCode::corrupt, info.name + ": not a restore point's name");
    HF_TRY(const ObjectEnd end, read_object_end(*storage_, *keyring_, info.name, info.bytes,
                                                ObjectKind::restore_point));
    PointInfo point{name->id, name->source, name->inverted_time, info.bytes, {}, false, false};
    auto record = decode_restore_point(end.record);
    if (!record.ok()) return std::move(record).error().with_context("reading " + info.name);
    point.record = std::move(record).value();
    return point;
}

Result<std::vector<PointInfo>> Repository::points(std::optional<SourceId> source) {
    const std::string prefix = source ? "points/" + source->hex() + '/' : "points/";
    std::set<std::string> deleted, held;
    HF_TRY_STATUS(storage_->list("deleted/", [&](const ObjectInfo& info) {
        deleted.insert(info.name.substr(8));
        return true;
    }));
    HF_TRY_STATUS(storage_->list("held/", [&](const ObjectInfo& info) {
        held.insert(info.name.substr(5));
        return true;
    }));
    // Folded points are known from the index, which is cached; others are read one by one.
    HF_TRY_STATUS(index());
    std::unordered_map<RestorePointId, std::shared_ptr<const FlatFragment>, IdHash<RestorePointId>>
        folded;
    for (const auto& fragment : index_.fragments())
        for (const FoldedPoint& point : fragment->record().points)
            folded.emplace(point.id, fragment);
    std::vector<PointInfo> result;
    HF_TRY(const auto objects, list_objects(*storage_, prefix));
    for (const ObjectInfo& info : objects) {
        const auto name = parse_point_name(info.name);
        if (!name) continue;
        PointInfo point{name->id, name->source, name->inverted_time, info.bytes, {}, false, false};
        const auto found = folded.find(name->id);
        if (found != folded.end()) {
            const auto& list = found->second->record().points;
            const auto it = std::find_if(list.begin(), list.end(),
                                         [&](const FoldedPoint& p) { return p.id == name->id; });
            HF_TRY(point.record, decode_restore_point(it->record));
        } else {
            HF_TRY(point, read_point(info));
        }
        point.is_deleted = deleted.contains(point.id.hex());
        point.is_held = held.contains(point.id.hex());
        result.push_back(std::move(point));
    }
    return result;
}

Result<std::optional<PointInfo>> Repository::latest(const SourceId& source) {
    std::vector<ObjectInfo> candidates;
    // Newest first: one page is enough unless the newest are partial or deleted.
    HF_TRY_STATUS(storage_->list("points/" + source.hex() + '/', [&](const ObjectInfo& info) {
        candidates.push_back(info);
        return true;
    }));
    for (const ObjectInfo& info : candidates) {
        HF_TRY(PointInfo point, read_point(info));
        if (point.record.is_partial) continue;
        if (storage_->head(mark_name(point.id, MarkKind::deleted)).ok()) continue;
        return std::optional<PointInfo>(std::move(point));
    }
    return std::optional<PointInfo>();
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

Status Repository::store_fragment(IndexFragmentRecord record) {
    const ObjectKey key = keyring_->new_object(ObjectKind::index_fragment, random_);
    const std::string name = fragment_name(record.tier, key.header.object);
    HF_TRY_STATUS(storage_->put(
        name, encode_record_object(key, encode_index_fragment(record)), Durability::immediate));
    add_to_index(record);
    return {};
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

Status Repository::fold() {
    if (keyring_->role() == KeyRole::writer) return {};
    HF_TRY(const auto objects, list_objects(*storage_, "index/"));
    HF_TRY(const auto points, list_objects(*storage_, "points/"));
    if (objects.size() + points.size() < fold_width) return {};
    // Live fragments by tier, and points that none of them has folded.
    std::map<ObjectId, std::shared_ptr<FlatFragment>> live;
    std::map<std::uint8_t, std::vector<ObjectId>> tiers;
    std::set<ObjectId> superseded;
    std::set<RestorePointId> folded;
    for (auto it = objects.rbegin(); it != objects.rend(); ++it) {
        const auto name = parse_fragment_name(it->name);
        if (!name || superseded.contains(name->id)) continue;
        HF_TRY(const std::shared_ptr<FlatFragment> fragment, load_fragment(*it));
        for (const ObjectId& id : fragment->record().supersedes) superseded.insert(id);
        for (const FoldedPoint& point : fragment->record().points) folded.insert(point.id);
        live.emplace(name->id, fragment);
        tiers[name->tier].push_back(name->id);
    }
    std::vector<ObjectInfo> unfolded;
    for (const ObjectInfo& info : points) {
        const auto name = parse_point_name(info.name);
        if (name && !folded.contains(name->id)) unfolded.push_back(info);
    }
    if (tiers[0].size() + unfolded.size() < fold_width) return {};

    // One object takes tier 0, and every tier above that becomes full by it.
    IndexFragmentRecord merged;
    merged.tier = 1;
    std::vector<ObjectId> sources = tiers[0];
    while (tiers[merged.tier].size() + 1 >= fold_width) {
        const auto& tier = tiers[merged.tier];
        sources.insert(sources.end(), tier.begin(), tier.end());
        ++merged.tier;
    }
    for (const ObjectId& id : sources) merge_fragment(*live.at(id), merged);
    merged.supersedes = sources;
    for (const ObjectInfo& info : unfolded) {
        const PointName name = *parse_point_name(info.name);
        HF_TRY(const ObjectEnd end, read_object_end(*storage_, *keyring_, info.name, info.bytes,
                                                    ObjectKind::restore_point));
        IndexFragmentRecord one =
            fragment_of_point(name, end.trailer.header, end.table, end.object_bytes);
        one.points.push_back({name.source, name.inverted_time, name.id, info.bytes, end.record});
        HF_TRY(const auto flat, FlatFragment::from_memory(FlatFragment::layout(one)));
        merge_fragment(*flat, merged);
    }
    std::sort(merged.chunks.begin(), merged.chunks.end(),
              [](const auto& a, const auto& b) { return a.id < b.id; });
    merged.chunks.erase(
        std::unique(merged.chunks.begin(), merged.chunks.end(),
                    [](const auto& a, const auto& b) { return a.id == b.id; }),
        merged.chunks.end());
    const ObjectKey key = keyring_->new_object(ObjectKind::index_fragment, random_);
    return storage_->put(fragment_name(merged.tier, key.header.object),
                         encode_record_object(key, encode_index_fragment(merged)),
                         Durability::immediate);
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
