// Folding: few index fragments in place of many. docs/format.md#folding.
#include <algorithm>

#include "repository/fragment_merger.h"
#include "repository/leases.h"
#include "repository/point_table.h"
#include "repository/repository.h"

namespace holdfast {
namespace {

// Objects of a tier that are folded into one of the next: one object in 16 is a fold, one in 256 a
// fold of folds, so a commit costs 1.07 objects.
constexpr std::size_t fold_width = 16;
// So many that reading them one by one takes longer than it is worth to wait for one writer to fold them.
constexpr std::size_t most_waiting = 4 * fold_width;
// A fold holds its chunks in memory, 130 bytes each: 34 MiB. Larger fragments stay as they are.
constexpr std::size_t max_folded_chunks = 1u << 18;

}  // namespace

// What waits to be folded: live fragments by tier, and points that none of them has.
struct Repository::FoldCandidates {
    std::set<ObjectId> folds;  // all that are stored
    std::map<ObjectId, std::shared_ptr<FlatFragment>> live;
    std::map<std::uint8_t, std::vector<ObjectId>> tiers;
    std::vector<ObjectInfo> unfolded;

    std::size_t chunks_of(const std::vector<ObjectId>& fragments) const {
        std::size_t chunks = 0;
        for (const ObjectId& id : fragments) chunks += live.at(id)->chunk_count();
        return chunks;
    }
};

// What a pruner has condemned must not get a new name in the index, and what it lets go again must not
// lose its old one.
bool Repository::names_condemned(const FlatFragment& fragment) const {
    // A point that has no chunks of its own is no container.
    return std::ranges::any_of(fragment.containers(), [this](const Container& container) {
               return index_.is_condemned(container.header.object);
           }) ||
           std::ranges::any_of(fragment.record().points,
                               [this](const FoldedPoint& point) { return index_.is_condemned(point.id); });
}

Result<Repository::FoldCandidates> Repository::fold_candidates() {
    FoldCandidates found;
    HF_TRY(const auto points, list_objects(*storage_, "points/"));
    HF_TRY(const auto objects, list_objects(*storage_, "index/"));
    tidy_fragment_cache(objects);
    if (objects.size() + points.size() < fold_width) return found;
    std::set<ObjectId> superseded;
    std::set<RestorePointId> folded;
    for (auto it = objects.rbegin(); it != objects.rend(); ++it) {
        const auto name = parse_fragment_name(it->name);
        if (name && name->tier != 0) found.folds.insert(name->id);
        if (!name || superseded.contains(name->id)) continue;
        const auto loaded = load_fragment(*it);
        // A damaged one stays as it is, for `check` to name.
        if (!loaded.ok() && loaded.error().code() == ErrorCode::corrupt) continue;
        if (!loaded.ok()) return loaded.error();
        const std::shared_ptr<FlatFragment>& fragment = *loaded;
        if (fragment == nullptr) continue;
        for (const ObjectId& id : fragment->record().supersedes) superseded.insert(id);
        for (const FoldedPoint& point : fragment->record().points) folded.insert(point.id);
        found.live.emplace(name->id, fragment);
        if (!names_condemned(*fragment)) found.tiers[name->tier].push_back(name->id);
    }
    for (const ObjectInfo& info : points) {
        const auto name = parse_point_name(info.name);
        if (name && !folded.contains(name->id) && !index_.is_condemned(name->id))
            found.unfolded.push_back(info);
    }
    return found;
}

Result<bool> Repository::has_fold_beside(const std::set<ObjectId>& known) {
    bool has_other = false;
    HF_TRY_STATUS(storage_->list("index/", [&](const ObjectInfo& info) {
        const auto name = parse_fragment_name(info.name);
        has_other = name && name->tier != 0 && !known.contains(name->id);
        return !has_other;
    }));
    return has_other;
}

// Of sixteen writers that have each stored a point, all would see sixteen that wait, and fold them. One of so many does,
// by chance; who is alone always does. When too many wait, everybody does.
Result<bool> Repository::is_turn_to_fold(std::size_t waiting) {
    if (waiting >= most_waiting) return true;
    std::size_t writers = 0;
    HF_TRY_STATUS(storage_->list("leases/", [&writers](const ObjectInfo&) {
        ++writers;
        return true;
    }));
    const auto dice = random_.array<2>();
    return (std::size_t{dice[0]} << 8 | dice[1]) * writers <= 0xffff;
}

// Adds what a point's own object has to a fold.
Status Repository::merge_point(const ObjectInfo& info, const ObjectEnd& end, FragmentMerger& merger) {
    const PointName name = *parse_point_name(info.name);
    // A fragment tells who made a point by naming it as a container.
    if (end.trailer.header.is_claim() && end.table.chunks.empty()) return {};
    // What is folded is believed; one of no known client stays as it is.
    const auto record = point_record_of(end, name, info.name);
    if (!record.ok() || !check_maker(end, name.id, record->host).ok()) return {};
    IndexFragmentRecord one = fragment_of_point(name, end.trailer.header, end.table, end.object_bytes);
    one.points.push_back({name.source, name.inverted_time, name.id, info.bytes, end.record});
    HF_TRY(const auto flat, FlatFragment::from_memory(FlatFragment::layout(one)));
    merger.add(*flat);
    return {};
}

Result<std::uint64_t> Repository::fold(Lease& lease) {
    if (keyring_->role() == KeyRole::writer) return std::uint64_t{0};
    HF_TRY(FoldCandidates found, fold_candidates());
    std::size_t chunks = found.chunks_of(found.tiers[0]);
    const std::size_t waiting = found.tiers[0].size() + found.unfolded.size();
    if (waiting < fold_width || chunks > max_folded_chunks) return std::uint64_t{0};
    HF_TRY(const bool is_turn, is_turn_to_fold(waiting));
    if (!is_turn) return std::uint64_t{0};
    // One object takes tier 0, and every tier above that becomes full by it.
    FragmentMerger merger;
    std::uint8_t tier_of_fold = 1;
    std::vector<ObjectId> sources = found.tiers[0];
    while (found.tiers[tier_of_fold].size() + 1 >= fold_width) {
        const auto& tier = found.tiers[tier_of_fold];
        chunks += found.chunks_of(tier);
        if (chunks > max_folded_chunks) break;
        sources.insert(sources.end(), tier.begin(), tier.end());
        ++tier_of_fold;
    }
    for (const ObjectId& id : sources) merger.add(*found.live.at(id));
    HF_TRY_STATUS(read_point_ends(found.unfolded, [&](const ObjectInfo& info, const Result<ObjectEnd>& end) {
        return end.ok() ? merge_point(info, *end, merger) : ok_status();  // damaged: stays as it is
    }));
    IndexFragmentRecord merged = merger.take();
    merged.tier = tier_of_fold;
    merged.supersedes = std::move(sources);
    const ObjectKey key = keyring_->new_object(ObjectKind::index_fragment, random_);
    const Bytes object = encode_record_object(key, encode_index_fragment(merged));
    // Somebody was faster, with much the same: whoever comes next folds what is left.
    HF_TRY(const bool has_other, has_fold_beside(found.folds));
    if (has_other) return std::uint64_t{0};
    HF_TRY_STATUS(lease.confirm());
    HF_TRY_STATUS(storage_->put(
        fragment_name(merged.tier, key.header.object), object, Durability::immediate));
    return std::uint64_t{object.size()};
}

}  // namespace holdfast
