// The index of a repository: what its fragments and points say, and what nothing says.
#include <algorithm>
#include <filesystem>
#include <unordered_set>

#include "base/file_io.h"
#include "repository/leases.h"
#include "repository/point_table.h"
#include "repository/repository.h"
#include "storage/at_once.h"

namespace holdfast {
namespace {

constexpr std::uint64_t max_fragment_bytes = 1u << 30;
// Fragments up to this flat size stay in memory; folding bounds how many there are.
constexpr std::size_t cached_fragment_bytes = 256u << 10;
// Fragments with so many chunks stand in the chunk directory, when so many of them are not in it yet: a look-up
// asks at most so many large ones by themselves.
constexpr std::size_t directory_fragment_chunks = 4096, directory_fragments = 8;

// A write-only client knows its own containers, and nothing of what others have stored.
void keep_claims_only(IndexFragmentRecord& record) {
    record.supersedes.clear();
    record.points.clear();
    if (std::any_of(record.containers.begin(), record.containers.end(),
                    [](const Container& container) { return !container.header.is_claim(); }))
        record = {};
}

}  // namespace

Result<Index*> Repository::index() {
    return index_after(nullptr);
}

// `points`: all that were listed just now, if anybody has listed them.
Result<Index*> Repository::index_after(const std::vector<ObjectInfo>* points) {
    std::lock_guard lock(index_mutex_);
    if (!index_loaded_) {
        HF_TRY_STATUS(load_index(points));
        index_loaded_ = true;
        make_chunk_reader();
    }
    return &index_;
}

void Repository::make_chunk_reader() {
    chunks_.emplace(reads(), *keyring_, index_, [this] { return find_more(); });
}

Status Repository::reload_index() {
    {
        std::lock_guard lock(index_mutex_);
        if (index_loaded_) {
            index_.clear();
            index_has_gaps_ = false;
            unindexed_.reset();
            superseded_.clear();
            fragment_numbers_.clear();
            loaded_fragments_.clear();
            folded_.clear();
            loaded_points_.clear();
            is_own_index_loaded_ = false;
            return load_index();
        }
    }
    HF_TRY_STATUS(index());
    return {};
}

Status Repository::update_index() {
    HF_TRY_STATUS(index());
    const std::lock_guard lock(index_mutex_);
    return load_index();
}

Result<ChunkReader*> Repository::chunks() {
    HF_TRY_STATUS(index());
    return &*chunks_;
}

// A copy under another tier or id would outlive what a prune puts in the place of the fragment.
Result<std::shared_ptr<FlatFragment>> Repository::load_fragment(const ObjectInfo& info) {
    const auto name = parse_fragment_name(info.name);
    HF_CHECK(name.has_value());
    if (!cache_directory_.empty()) {
        auto fragment = FlatFragment::from_file(cache_directory_ + '/' + info.name);
        if (fragment.ok()) return fragment;
    }
    HF_TRY(const ObjectEnd end, read_object(reads(), *keyring_, info.name,
                                            ObjectKind::index_fragment, max_fragment_bytes));
    HF_TRY(IndexFragmentRecord record, decode_index_fragment(end.record));
    if (end.trailer.header.object != name->id || record.tier != name->tier) return std::shared_ptr<FlatFragment>();
    if (end.trailer.header.is_claim()) keep_claims_only(record);
    return cached_fragment(info.name, record);
}

// Without those that others have taken the place of, when there are more of them than of others. One that another process
// has just stored may go with them: it is read again.
void Repository::tidy_fragment_cache(const std::vector<ObjectInfo>& stored) const {
    constexpr std::size_t usual_files = 64;
    if (cache_directory_.empty()) return;
    std::error_code ignored;
    std::vector<std::string> files;
    for (const auto& entry : std::filesystem::directory_iterator(cache_directory_ + "/index", ignored))
        files.push_back("index/" + entry.path().filename().string());
    if (files.size() <= 2 * stored.size() + usual_files) return;
    std::unordered_set<std::string> there;
    for (const ObjectInfo& info : stored) there.insert(info.name);
    for (const std::string& file : files)
        if (!there.contains(file)) std::filesystem::remove(cache_directory_ + '/' + file, ignored);
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

Status Repository::remove_false_fragments() {
    HF_TRY(const auto objects, list_objects(*storage_, "index/"));
    for (const ObjectInfo& info : objects) {
        if (!parse_fragment_name(info.name)) continue;
        const auto fragment = load_fragment(info);
        // What is damaged or gone is another's matter.
        if (fragment.ok() && *fragment == nullptr) HF_TRY_STATUS(remove_if_allowed(*storage_, info.name));
    }
    return {};
}

// What is read of the index until all of it is.
struct Repository::Loading {
    std::vector<std::pair<ObjectId, std::shared_ptr<FlatFragment>>> fragments;
    std::set<ObjectId> read, gone;
};

// For who holds the mutex. Reads the fragments that are listed and not read yet. False when one was gone that was
// listed: a prune has put another in its place, which a listing that begins later has.
Result<bool> Repository::load_listed(Loading& loading) {
    HF_TRY(auto objects, list_objects(*storage_, "index/"));
    // Highest tier first: what a fold supersedes is then never read.
    std::reverse(objects.begin(), objects.end());
    bool is_sure = true;
    for (const ObjectInfo& info : objects) {
        const auto name = parse_fragment_name(info.name);
        if (!name || superseded_.contains(name->id) || loaded_fragments_.contains(name->id) ||
            loading.read.contains(name->id))
            continue;
        auto fragment = load_fragment(info);
        if (!fragment.ok() && fragment.error().code() == ErrorCode::not_found &&
            loading.gone.insert(name->id).second) {
            is_sure = false;
            continue;
        }
        // What a damaged one says is found elsewhere, only more slowly; `check` names it.
        if (!fragment.ok() && (fragment.error().code() == ErrorCode::corrupt ||
                               fragment.error().code() == ErrorCode::not_found)) {
            index_has_gaps_ = true;
            loaded_fragments_.insert(name->id);
            continue;
        }
        if (!fragment.ok()) return std::move(fragment).error();
        if (*fragment == nullptr) continue;
        for (const ObjectId& id : (*fragment)->record().supersedes) superseded_.insert(id);
        loading.read.insert(name->id);
        loading.fragments.emplace_back(name->id, *fragment);
    }
    return is_sure;
}

Status Repository::load_index(const std::vector<ObjectInfo>* listed) {
    // A write-only client can read none of it: it has what it kept.
    if (keyring_->role() == KeyRole::writer) {
        load_own_index();
        return {};
    }
    std::vector<ObjectInfo> points;
    if (listed == nullptr) {
        HF_TRY(points, ahead_.take(*storage_, "points/"));
        listed = &points;
    }
    Loading loading;
    for (bool is_sure = false; !is_sure;) {
        HF_TRY(is_sure, load_listed(loading));
    }
    // A prune replaces fragments within a tier: what it has replaced may still be there, and would name
    // what is gone.
    for (const auto& [id, fragment] : loading.fragments) {
        loaded_fragments_.insert(id);
        if (superseded_.contains(id)) continue;
        for (const FoldedPoint& point : fragment->record().points) folded_.insert(point.id);
        add_fragment(id, fragment);
    }
    use_directory();
    HF_TRY_STATUS(load_points(*listed));
    return index_has_gaps_ && !unindexed_ ? add_unindexed() : ok_status();
}

// For who holds the mutex.
void Repository::add_fragment(const ObjectId& id, std::shared_ptr<FlatFragment> fragment) {
    const bool is_large = fragment->chunk_count() >= directory_fragment_chunks;
    const std::size_t number = index_.add(std::move(fragment));
    if (is_large) fragment_numbers_.emplace(id, number);
}

// For who holds the mutex. The chunk directory is a cache: what goes wrong with it costs time only.
void Repository::use_directory() {
    if (cache_directory_.empty() || fragment_numbers_.size() < directory_fragments) return;
    const std::string path = cache_directory_ + "/index/directory";
    const auto fragments = index_.fragments();
    // How many chunks of the index it has, and whether that is enough for it to be of use.
    const auto use = [&]() -> bool {
        const auto directory = ChunkDirectory::open(path);
        if (!directory.ok()) return false;
        std::vector<std::size_t> numbers;
        std::size_t covered = 0, covered_fragments = 0;
        for (const ObjectId& id : (*directory)->fragments()) {
            const auto found = fragment_numbers_.find(id);
            numbers.push_back(found == fragment_numbers_.end() ? SIZE_MAX : found->second);
            if (found == fragment_numbers_.end()) continue;
            covered += fragments[found->second]->chunk_count();
            ++covered_fragments;
        }
        index_.set_directory(*directory, std::move(numbers));
        return covered >= (*directory)->chunk_count() / 2 &&
               fragment_numbers_.size() - covered_fragments < directory_fragments;
    };
    if (use()) return;
    std::vector<ChunkDirectory::Covered> covered;
    for (const auto& [id, number] : fragment_numbers_) covered.push_back({id, fragments[number]});
    if (ChunkDirectory::build(path, covered).ok()) (void)use();
}

Status Repository::unindexed_packs(const std::optional<SessionId>& session,
                                   Trust trust,
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
            if (!writer || !id || known.contains(*id) || index_.is_condemned(*id)) continue;
            // What parity could mend of a torn one is no ground to build on: `repair` mends it first.
            auto end = read_object_end(*storage_, *keyring_, info.name, info.bytes, kind, OnDamage::fail);
            if (end.ok() && trust == Trust::nothing)
                if (Status whole = check_body(*storage_, info.name, *end); !whole.ok())
                    end = std::move(whole).error();
            // Torn by a crash of the machine, or damaged: garbage here. Or removed meanwhile; or frozen.
            if (!end.ok() && (end.error().code() == ErrorCode::corrupt ||
                              end.error().code() == ErrorCode::not_found ||
                              end.error().code() == ErrorCode::frozen))
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
    HF_TRY_STATUS(unindexed_packs(std::nullopt, Trust::tables, [&](IndexFragmentRecord part) -> Status {
        for (const Container& container : part.containers) found.insert(container.header.object);
        const std::string name = "index/found-" + part.containers[0].header.object.hex();
        HF_TRY(auto fragment, cached_fragment(name, part));
        index_.add(std::move(fragment), Index::Origin::pack_tables);
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

// For who holds the mutex.
Result<bool> Repository::has_new_fragments() {
    HF_TRY(const auto objects, list_objects(*storage_, "index/"));
    return std::ranges::any_of(objects, [this](const ObjectInfo& info) {
        const auto name = parse_fragment_name(info.name);
        return name && !superseded_.contains(name->id) && !loaded_fragments_.contains(name->id);
    });
}

Status Repository::find_more() {
    // A client knows what it knows.
    if (keyring_->role() == KeyRole::writer) return {};
    HF_TRY_STATUS(index());
    const std::lock_guard lock(index_mutex_);
    HF_TRY(const bool has_new, has_new_fragments());
    if (has_new) HF_TRY_STATUS(load_index());
    return unindexed_ ? ok_status() : add_unindexed();
}

Status Repository::read_point_ends(std::span<const ObjectInfo> points, const TakeEnd& take) {
    // Another thread may look for the point to read: whichever comes first, it is one request.
    const bool are_few = points.size() <= most_fetched_whole;
    const auto ask = [this, are_few](const ObjectInfo& info) {
        if (are_few) fetch_point(info);
        return read_object_end(reads(), *keyring_, info.name, info.bytes, ObjectKind::restore_point);
    };
    return ask_for_each(*storage_, points, ask, take);
}

Status Repository::load_points(const std::vector<ObjectInfo>& points) {
    std::vector<ObjectInfo> unread;
    for (const ObjectInfo& info : points) {
        const auto name = parse_point_name(info.name);
        if (name && !folded_.contains(name->id) && !loaded_points_.contains(name->id)) unread.push_back(info);
    }
    return read_point_ends(unread, [this](const ObjectInfo& info, const Result<ObjectEnd>& end) -> Status {
        if (!end.ok() && !is_one_points_matter(end.error())) return end.error();
        const PointName name = *parse_point_name(info.name);
        loaded_points_.insert(name.id);
        if (end.ok() && point_record_of(*end, name, info.name).ok())
            add_point_to_index(name, end->trailer.header, end->table, end->object_bytes);
        return {};
    });
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

Status Repository::know_point(const PointInfo& point) {
    HF_TRY_STATUS(index());
    return refresh_index({{point_name({point.source, point.inverted_time, point.id}), point.object_bytes}});
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
    if (own_ != nullptr) (void)own_->add_fragment(record, random_).ok();
}

Result<std::uint64_t> Repository::store_fragment(IndexFragmentRecord record, Lease& lease) {
    const ObjectKey key = keyring_->new_object(ObjectKind::index_fragment, random_);
    const std::string name = fragment_name(record.tier, key.header.object);
    const Bytes object = encode_record_object(key, encode_index_fragment(record));
    HF_TRY_STATUS(lease.confirm());
    HF_TRY_STATUS(storage_->put(name, object, Durability::immediate));
    if (own_ != nullptr) (void)own_->add_fragment(record, random_).ok();
    HF_TRY(std::shared_ptr<FlatFragment> fragment, cached_fragment(name, record));
    std::lock_guard lock(index_mutex_);
    loaded_fragments_.insert(key.header.object);
    add_fragment(key.header.object, std::move(fragment));
    return std::uint64_t{object.size()};
}

// Another prune may put a fragment in the place of one that was listed: a listing that begins later has it.
Status Repository::for_each_fragment(const VisitFragment& visit) {
    std::set<ObjectId> visited, superseded, gone;
    for (bool is_sure = false; !is_sure;) {
        HF_TRY(const auto objects, list_objects(*storage_, "index/"));
        std::set<ObjectId> gone_now;
        using Use = std::function<Status(const ObjectInfo&, const ObjectId&, const FlatFragment&)>;
        const auto for_each = [&](const Use& use) -> Status {
            for (const ObjectInfo& info : objects) {
                const auto name = parse_fragment_name(info.name);
                if (!name || visited.contains(name->id) || gone_now.contains(name->id)) continue;
                const auto fragment = load_fragment(info);
                const bool is_gone = !fragment.ok() && fragment.error().code() == ErrorCode::not_found;
                if (!fragment.ok() && (!is_gone || gone.contains(name->id))) return fragment.error();
                if (is_gone) gone_now.insert(name->id);
                else if (*fragment != nullptr) HF_TRY_STATUS(use(info, name->id, **fragment));
            }
            return {};
        };
        HF_TRY_STATUS(for_each([&](const ObjectInfo&, const ObjectId&, const FlatFragment& fragment) -> Status {
            const auto& ids = fragment.record().supersedes;
            superseded.insert(ids.begin(), ids.end());
            return {};
        }));
        HF_TRY_STATUS(for_each([&](const ObjectInfo& info, const ObjectId& id, const FlatFragment& fragment) -> Status {
            visited.insert(id);
            Status done = visit(info, fragment, superseded.contains(id));
            if (done.ok() || done.error().code() != ErrorCode::not_found) return done;
            gone_now.insert(id);
            return {};
        }));
        is_sure = gone_now.empty();
        gone.merge(gone_now);
    }
    return {};
}

Result<std::uint64_t> Repository::replace_fragment(const std::string& name,
                                                   IndexFragmentRecord record,
                                                   Lease& lease) {
    const auto old = parse_fragment_name(name);
    HF_CHECK(old.has_value());
    std::uint64_t bytes = 0;
    // Read from a cache, perhaps: another prune may have replaced it, and each would leave one of its own.
    HF_TRY_STATUS(storage_->head(name));
    if (!record.chunks.empty() || !record.points.empty()) {
        record.tier = old->tier;
        record.supersedes.push_back(old->id);
        HF_TRY(bytes, store_fragment(std::move(record), lease));
    }
    HF_TRY_STATUS(storage_->remove(name));
    return bytes;
}

Result<Repository::StoredContainers> Repository::list_containers() {
    StoredContainers present;
    for (const char* folder : {"data/", "meta/", "points/"})
        HF_TRY_STATUS(storage_->list(folder, [&present](const ObjectInfo& info) {
            present.emplace(info.name, info.bytes);
            return true;
        }));
    return present;
}

std::set<ObjectId> Repository::lost_containers(const Index& known, const StoredContainers& present) {
    std::set<ObjectId> lost;
    for (const auto& fragment : known.fragments())
        for (const Container& container : fragment->containers()) {
            const auto found = present.find(container_name(container));
            if (found == present.end() || found->second != container.object_bytes) lost.insert(container.header.object);
        }
    return lost;
}

Result<std::uint64_t> Repository::count_lost_containers() {
    // Listed before the tombstones: what is gone by then was condemned before.
    HF_TRY(Index* const known, index());
    HF_TRY(const StoredContainers present, list_containers());
    std::set<ObjectId> lost = lost_containers(*known, present);
    if (lost.empty()) return 0;
    HF_TRY(const auto tombstones, read_tombstones(*this));
    for (const Tombstone& tombstone : tombstones)
        for (const ObjectId& id : tombstone.record.objects) lost.erase(id);
    return lost.size();
}

Status Repository::exclude_lost_containers() {
    HF_TRY(Index* const known, index());
    HF_TRY(const StoredContainers present, list_containers());
    for (const ObjectId& id : lost_containers(*known, present)) known->exclude(id);
    return {};
}

}  // namespace holdfast
