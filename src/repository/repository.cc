#include "repository/repository.h"

#include <algorithm>
#include <set>

#include "repository/leases.h"
#include "repository/point_table.h"

namespace holdfast {
namespace {

std::uint64_t parse_hex64(std::string_view text) {
    std::uint64_t value = 0;
    for (const std::uint8_t byte : from_hex(text)) value = value << 8 | byte;
    return value;
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

constexpr std::string_view deleted_suffix = "/deleted", held_suffix = "/held",
                           verified_suffix = "/verified", incomplete_suffix = "/incomplete";

// What was said of points after they were stored, and of their sessions.
struct Marks {
    std::set<RestorePointId> deleted, held, verified, incomplete;
    std::set<SessionId> fenced;

    void apply(PointInfo& point) const {
        point.is_deleted = deleted.contains(point.id);
        point.is_held = held.contains(point.id);
        point.is_incomplete = incomplete.contains(point.id);
        point.is_unverified =
            !point.is_damaged && fenced.contains(point.record.session) && !verified.contains(point.id);
    }
};

// Before the points are listed: a prune removes those first. Without fences, which are listed after the points: who
// stores a point after he was fenced must not pass for one that was not.
Result<Marks> list_marks(Storage& storage, ListingsAhead& ahead) {
    HF_TRY(const auto objects, ahead.take(storage, "marks/"));
    Marks marks;
    for (const ObjectInfo& info : objects) {
        // marks/<32>/<kind>
        const auto id = RestorePointId::from_hex(info.name.substr(6, 32));
        if (id && info.name.ends_with(deleted_suffix)) marks.deleted.insert(*id);
        if (id && info.name.ends_with(held_suffix)) marks.held.insert(*id);
        if (id && info.name.ends_with(verified_suffix)) marks.verified.insert(*id);
        if (id && info.name.ends_with(incomplete_suffix)) marks.incomplete.insert(*id);
    }
    return marks;
}

}  // namespace

std::string mark_name(const RestorePointId& point, MarkKind kind) {
    std::string_view suffix = deleted_suffix;
    if (kind == MarkKind::held) suffix = held_suffix;
    if (kind == MarkKind::verified) suffix = verified_suffix;
    if (kind == MarkKind::incomplete) suffix = incomplete_suffix;
    return "marks/" + point.hex() + std::string(suffix);
}

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

// Of a point that a client may have made.
Status Repository::check_maker(const ObjectEnd& end, const RestorePointId& point, const std::string& host) {
    // A client knows its own by their keys.
    if (!end.trailer.header.is_claim() || keyring_->role() == KeyRole::writer) return {};
    if (!end.table.signature && !config_.has_signing_clients()) return {};
    return clients_->check_point(end, point, host);
}

Result<RestorePointRecord> Repository::point_record_of(const ObjectEnd& end,
                                                       const PointName& name,
                                                       const std::string& object) const {
    HF_TRY_STATUS(check_identity(end, name.id, object));
    auto record = decode_restore_point(end.record);
    if (!record.ok()) return std::move(record).error().with_context("reading " + object);
    // A storage must not be able to pass an old point off as a new one, or as another source's.
    if (keyring_->source_id(record->host, record->name) != name.source ||
        inverted_time_of(record->started) != name.inverted_time)
        return Error(ErrorCode::corrupt, object + ": not the restore point that its name says");
    return record;
}

Result<PointInfo> Repository::checked_point(const ObjectInfo& info, const PointName& name, const ObjectEnd& end) {
    PointInfo point = known_by_name(name, info.bytes);
    HF_TRY(point.record, point_record_of(end, name, info.name));
    Status maker = check_maker(end, name.id, point.record.host);
    if (!maker.ok()) return std::move(maker).error().with_context(info.name);
    const auto& signature = end.table.signature;
    point.is_claim = end.trailer.header.is_claim() && (!signature || signature->signer != KeySlotId{});
    if (point.is_claim && signature) point.client = signature->signer;
    return point;
}

// A damaged point must not hide the others: it is shown as what its name tells.
Result<PointInfo> Repository::point_or_damage(const ObjectInfo& info,
                                              const PointName& name,
                                              const Result<ObjectEnd>& end) {
    auto read = end.ok() ? checked_point(info, name, *end) : Result<PointInfo>(end.error());
    if (read.ok() || read.error().code() == ErrorCode::not_found ||
        !is_one_points_matter(read.error()))
        return read;
    PointInfo point = known_by_name(name, info.bytes);
    point.is_damaged = true;
    point.damage = read.error();
    point.record.started = static_cast<TimeNs>(UINT64_MAX - name.inverted_time);
    return point;
}

Result<PointInfo> Repository::read_point_or_damage(const ObjectInfo& info, const PointName& name) {
    return point_or_damage(
        info, name, read_object_end(reads(), *keyring_, info.name, info.bytes, ObjectKind::restore_point));
}

// What goes wrong, who reads it is told.
void Repository::fetch_point(const ObjectInfo& info) {
    constexpr std::uint64_t most_bytes = 4 * CachedStorage::block_bytes;
    if (purpose_ == OpenFor::reading_a_point && cache_ != nullptr && info.bytes <= most_bytes)
        (void)cache_->fetch(info.name, info.bytes).ok();
}

Result<Repository::ReadPoints> Repository::read_points(std::span<const ObjectInfo> objects) {
    ReadPoints points;
    HF_TRY_STATUS(read_point_ends(objects, [&](const ObjectInfo& info, const Result<ObjectEnd>& end) -> Status {
        const PointName name = *parse_point_name(info.name);
        auto point = point_or_damage(info, name, end);
        if (!point.ok() && point.error().code() == ErrorCode::not_found) return {};
        if (!point.ok()) return std::move(point).error();
        PointInfo& known = points.try_emplace(name.id, *point).first->second;
        if (known.is_damaged && !point->is_damaged) known = std::move(*point);
        return {};
    }));
    return points;
}

Status Repository::check_reader() const {
    if (keyring_->role() == KeyRole::full) return {};
    return Error(ErrorCode::permission_denied, "a write-only key cannot read the repository");
}

Result<std::vector<PointInfo>> Repository::points(std::optional<SourceId> source) {
    HF_TRY_STATUS(check_reader());
    HF_TRY(Marks marks, list_marks(*storage_, ahead_));
    // Folded points are known from the index, which is cached; others are read one by one.
    HF_TRY(const auto objects, list_objects(*storage_, points_prefix(source)));
    HF_TRY_STATUS(index_after(source ? nullptr : &objects));
    HF_TRY_STATUS(refresh_index(objects));
    std::unordered_map<RestorePointId, const FoldedPoint*, IdHash<RestorePointId>> folded;
    std::set<ObjectId> claims;
    const auto fragments = index_.fragments();
    for (const auto& fragment : fragments) {
        for (const FoldedPoint& point : fragment->record().points) folded.emplace(point.id, &point);
        for (const Container& container : fragment->containers())
            if (container.header.is_claim()) claims.insert(container.header.object);
    }
    HF_TRY(marks.fenced, list_fences_of_pruners(*this));
    std::vector<ObjectInfo> unfolded;
    for (const ObjectInfo& info : objects) {
        const auto name = parse_point_name(info.name);
        if (name && !folded.contains(name->id)) unfolded.push_back(info);
    }
    HF_TRY(ReadPoints read, read_points(unfolded));
    std::vector<PointInfo> result;
    for (const ObjectInfo& info : objects) {
        const auto name = parse_point_name(info.name);
        if (!name) continue;
        PointInfo point = known_by_name(*name, info.bytes);
        // Under a name that is not its own it is no point.
        const auto is_own_name = [&name](const auto& known) {
            return known.source == name->source && known.inverted_time == name->inverted_time;
        };
        if (const auto found = folded.find(name->id); found != folded.end()) {
            if (!is_own_name(*found->second)) continue;
            HF_TRY(point.record, decode_restore_point(found->second->record));
            point.is_claim = claims.contains(name->id);
        } else {
            const auto it = read.find(name->id);
            if (it == read.end() || !is_own_name(it->second)) continue;
            point = it->second;
        }
        marks.apply(point);
        result.push_back(std::move(point));
    }
    return result;
}

Result<std::vector<PointInfo>> Repository::latest(
    std::optional<SourceId> source, const std::function<Choice(const PointInfo&)>& choose) {
    HF_TRY_STATUS(check_reader());
    HF_TRY(const Marks marks, list_marks(*storage_, ahead_));
    std::vector<PointInfo> taken;
    std::optional<SourceId> done;
    // As a rule one of the first is taken. Of many sources, most points are looked at and no more.
    std::size_t fetched = 0;
    // Names are sorted newest first within a source.
    const auto visit = [&](const ObjectInfo& info) -> Status {
        const auto name = parse_point_name(info.name);
        if (!name || done == name->source) return {};
        if (fetched++ < most_fetched_whole) fetch_point(info);
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

Result<std::vector<PointInfo>> Repository::own_points(const SourceId& source) {
    HF_CHECK(keyring_->role() == KeyRole::writer);
    std::vector<PointInfo> result;
    if (own_ == nullptr) return result;
    HF_TRY(Marks marks, list_marks(*storage_, ahead_));
    HF_TRY(auto objects, list_objects(*storage_, points_prefix(source)));
    HF_TRY(marks.fenced, list_fences_of_pruners(*this));
    std::erase_if(objects, [this](const ObjectInfo& info) {
        const auto name = parse_point_name(info.name);
        return !name || !own_->key(name->id);
    });
    HF_TRY(ReadPoints read, read_points(objects));
    for (const ObjectInfo& info : objects) {
        const auto it = read.find(parse_point_name(info.name)->id);
        if (it == read.end()) continue;
        marks.apply(it->second);
        result.push_back(std::move(it->second));
    }
    return result;
}

Status Repository::put_record(ObjectKind kind,
                              const std::string& name,
                              ByteSpan record,
                              Durability durability) {
    return storage_->put(
        name, encode_record_object(keyring_->new_object(kind, random_), record), durability);
}

Result<Repository::StoredRecord> Repository::get_record(ObjectKind kind, const std::string& name) {
    // A tombstone names all that a prune takes away; what else is a record of its own is small.
    const std::uint64_t limit_bytes = kind == ObjectKind::tombstone ? 64u << 20 : 2u << 20;
    HF_TRY(ObjectEnd end, read_object(*storage_, *keyring_, name, kind, limit_bytes));
    const bool is_clear = end.trailer.header.key_mode == KeyMode::clear;
    const bool is_claim = is_clear ? !check_epoch_signature(end, *keyring_).ok() : end.trailer.header.is_claim();
    return StoredRecord{std::move(end.record), is_claim};
}

Status Repository::set_mark(const PointInfo& point, MarkKind kind, const std::string& reason) {
    const MarkRecord mark{kind, point.id, clock_.now(), reason};
    Status put = put_record(
        ObjectKind::mark, mark_name(point.id, kind), encode_mark(mark), Durability::immediate);
    if (!put.ok() && put.error().code() == ErrorCode::already_exists) return {};
    return put;
}

Status Repository::clear_mark(const PointInfo& point, MarkKind kind) {
    HF_TRY_STATUS(storage_->remove(mark_name(point.id, kind)));
    // Who has brought a point back must not lose it to a mark that a crash brings back.
    return storage_->barrier();
}

Status Repository::remove_stray_marks() {
    // A mark is younger than its point: one that was listed before the points, and whose point is not, has none.
    HF_TRY(const auto marks, list_objects(*storage_, "marks/"));
    if (marks.empty()) return {};
    HF_TRY(const auto objects, list_objects(*storage_, "points/"));
    std::set<RestorePointId> there;
    for (const ObjectInfo& info : objects)
        if (const auto name = parse_point_name(info.name)) there.insert(name->id);
    for (const ObjectInfo& info : marks) {
        const auto id = RestorePointId::from_hex(info.name.substr(6, 32));
        if (id && !there.contains(*id)) HF_TRY_STATUS(storage_->remove(info.name));
    }
    return {};
}

Status Repository::remove_false_points(const std::vector<PointInfo>& points) {
    std::unordered_map<RestorePointId, std::string, IdHash<RestorePointId>> names;
    for (const PointInfo& point : points)
        if (!point.is_damaged) names.emplace(point.id, point_name({point.source, point.inverted_time, point.id}));
    HF_TRY(const auto objects, list_objects(*storage_, "points/"));
    for (const ObjectInfo& info : objects) {
        const auto name = parse_point_name(info.name);
        const auto known = name ? names.find(name->id) : names.end();
        if (known == names.end() || known->second == info.name) continue;
        HF_TRY_STATUS(remove_if_allowed(*storage_, info.name));
    }
    return {};
}

Status Repository::remove_marks(const RestorePointId& point) {
    for (const MarkKind kind : {MarkKind::deleted, MarkKind::held, MarkKind::verified, MarkKind::incomplete})
        HF_TRY_STATUS(storage_->remove(mark_name(point, kind)));
    return {};
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
