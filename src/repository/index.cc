#include "repository/index.h"

#include <algorithm>

namespace holdfast {
namespace {

// The rank of a place that nothing can be read from.
constexpr int worthless = 128;
// What makes a place worth less than another, the worst last.
constexpr int thinned = 1, out_of_order = 2, condemned = 8, unnamed = 16, claimed = 32;
// Places of this rank and above are not relied upon.
constexpr int unreliable = condemned;

Error torn() {
    return {ErrorCode::corrupt, "damaged index cache"};
}

// A torn cache file must not send a read beyond its object.
bool is_within(const ChunkLocation& location, const Container& container) {
    const std::uint64_t total = location.stored_bytes();
    return !location.frame_bytes.empty() && location.offset <= container.object_bytes &&
           total <= container.object_bytes - location.offset;
}

}  // namespace

std::size_t Index::add(std::shared_ptr<const FlatFragment> fragment, Origin origin) {
    std::unique_lock lock(mutex_);
    const bool is_in_order = std::ranges::any_of(
        fragment->containers(), [](const Container& container) { return container.header.is_in_order(); });
    if (is_in_order && !std::exchange(has_order_, true)) ++generation_;
    are_in_order_.push_back(is_in_order);
    fragments_.push_back(std::move(fragment));
    origins_.push_back(origin);
    is_covered_.push_back(false);
    return fragments_.size() - 1;
}

std::optional<IndexPosition> Index::find(const ChunkId& id,
                                         const ChunkRange& part,
                                         Trust trust,
                                         const Containers& without,
                                         int good_enough) const {
    std::optional<IndexPosition> best;
    int best_rank = worthless;
    const auto consider = [&](std::size_t number, std::size_t i) {
        const int rank = rank_of(number, i, part, without);
        if (rank >= best_rank) return;
        best_rank = rank;
        best = IndexPosition{number, i};
    };
    if (directory_)
        directory_->find(id, [&](const ChunkDirectory::Place& place) {
            const std::size_t number = place.fragment < directory_numbers_.size()
                                           ? directory_numbers_[place.fragment]
                                           : SIZE_MAX;
            if (number < fragments_.size() && place.chunk < fragments_[number]->chunk_count() &&
                fragments_[number]->has(place.chunk, id))
                consider(number, place.chunk);
            return best_rank > good_enough;
        });
    search(id, false, best_rank, good_enough, consider);
    // A directory that lies costs time, no chunk.
    if (!best && directory_ && trust == Trust::nothing) search(id, true, best_rank, good_enough, consider);
    return best;
}

// Fragment by fragment, those that the directory covers or the others; none that has no better place. So one
// container in order does not have all fragments asked for each chunk that stands in no such.
template <typename Consider>
void Index::search(const ChunkId& id,
                   bool covered,
                   const int& best_rank,
                   int good_enough,
                   const Consider& consider) const {
    for (std::size_t number = fragments_.size(); number-- > 0 && best_rank > good_enough;) {
        if (is_covered_[number] != covered || least_rank_of(number) >= best_rank) continue;
        const FlatFragment& fragment = *fragments_[number];
        const auto first = fragment.find(id);
        for (std::size_t i = first.value_or(fragment.chunk_count());
             i < fragment.chunk_count() && fragment.has(i, id); ++i)
            consider(number, i);
    }
}

void Index::set_directory(std::shared_ptr<const ChunkDirectory> directory,
                          std::vector<std::size_t> numbers) {
    std::unique_lock lock(mutex_);
    is_covered_.assign(fragments_.size(), false);
    for (const std::size_t number : numbers)
        if (number < is_covered_.size()) is_covered_[number] = true;
    directory_ = std::move(directory);
    directory_numbers_ = std::move(numbers);
}

// Of its best place.
int Index::least_rank_of(std::size_t number) const {
    const int order = has_order_ && !are_in_order_[number] ? out_of_order : 0;
    return order + (origins_[number] == Origin::fragment ? 0 : unnamed);
}

// How little a place is worth.
int Index::rank_of(std::size_t number,
                   std::size_t chunk,
                   const ChunkRange& part,
                   const Containers& without) const {
    const FlatFragment& fragment = *fragments_[number];
    int rank = origins_[number] == Origin::fragment ? 0 : unnamed;
    if (fragment.is_thinned(chunk)) {
        if (!fragment.location(chunk).has(part)) return worthless;
        rank += thinned;
    }
    const Container* const container = container_of({number, chunk});
    // Of a damaged fragment locate() says what it is.
    if (container == nullptr) return rank;
    const ObjectId& object = container->header.object;
    if (excluded_.contains(object) || without.contains(object)) return worthless;
    if (has_order_ && !container->header.is_in_order()) rank += out_of_order;
    if (container->header.is_claim() && !believes_claims_) rank += claimed;
    return condemned_.contains(object) ? rank + condemned : rank;
}

const Container* Index::container_of(IndexPosition position) const {
    const FlatFragment& fragment = *fragments_[position.fragment];
    const std::uint32_t number = fragment.container_of(position.chunk);
    return number < fragment.containers().size() ? &fragment.containers()[number] : nullptr;
}

std::vector<IndexPosition> Index::other_claims(const ChunkId& id,
                                               const ChunkRange& part,
                                               IndexPosition best) const {
    std::shared_lock lock(mutex_);
    std::vector<IndexPosition> claims;
    std::set<ObjectId> seen;
    for (std::optional<IndexPosition> found = best; found; found = find(id, part, Trust::nothing, seen)) {
        const Container* const container = container_of(*found);
        if (container == nullptr || !container->header.is_claim()) break;
        if (!seen.empty()) claims.push_back(*found);
        seen.insert(container->header.object);
    }
    return claims;
}

bool Index::contains(const ChunkId& id, const ChunkRange& part) const {
    std::shared_lock lock(mutex_);
    const auto found = find(id, part, Trust::directory, {}, unreliable - 1);
    if (!found) return false;
    return container_of(*found) != nullptr && rank_of(found->fragment, found->chunk, part, {}) < unreliable;
}

void Index::exclude(const ObjectId& container) {
    std::unique_lock lock(mutex_);
    excluded_.insert(container);
    ++generation_;
}

void Index::condemn(const ObjectId& container) {
    std::unique_lock lock(mutex_);
    condemned_.insert(container);
    ++generation_;
}

void Index::believe_claims() {
    std::unique_lock lock(mutex_);
    believes_claims_ = true;
}

bool Index::is_condemned(const ObjectId& container) const {
    std::shared_lock lock(mutex_);
    return condemned_.contains(container);
}

void Index::clear() {
    std::unique_lock lock(mutex_);
    fragments_.clear();
    are_in_order_.clear();
    has_order_ = false;
    origins_.clear();
    is_covered_.clear();
    directory_.reset();
    directory_numbers_.clear();
    excluded_.clear();
    condemned_.clear();
    ++generation_;
}

std::optional<IndexPosition> Index::position_of(const ChunkId& id, const ChunkRange& part) const {
    std::shared_lock lock(mutex_);
    return find(id, part, Trust::nothing);
}

std::uint32_t Index::raw_bytes(IndexPosition position) const {
    std::shared_lock lock(mutex_);
    return fragments_[position.fragment]->raw_bytes(position.chunk);
}

Result<LocatedChunk> Index::locate(const ChunkId& id,
                                   const ChunkRange& part,
                                   const Containers& without) const {
    std::shared_lock lock(mutex_);
    const auto position = find(id, part, Trust::nothing, without);
    if (!position)
        return Error(ErrorCode::not_found,
                     "chunk " + id.hex().substr(0, 16) + " is not in the index");
    const FlatFragment& fragment = *fragments_[position->fragment];
    LocatedChunk found;
    found.location = fragment.location(position->chunk);
    if (found.location.container >= fragment.containers().size() ||
        found.location.frame_bytes.size() !=
            frame_count_of(found.location.raw_bytes, found.location.frame_log2))
        return torn();
    found.container = fragment.containers()[found.location.container];
    if (!is_within(found.location, found.container)) return torn();
    found.is_named = origins_[position->fragment] == Origin::fragment;
    return found;
}

bool Index::is_named(std::size_t fragment) const {
    std::shared_lock lock(mutex_);
    return origins_[fragment] == Origin::fragment;
}

std::set<ObjectId> Index::containers() const {
    std::shared_lock lock(mutex_);
    std::set<ObjectId> ids;
    for (std::size_t i = 0; i < fragments_.size(); ++i) {
        if (origins_[i] != Origin::fragment) continue;
        for (const Container& container : fragments_[i]->containers())
            ids.insert(container.header.object);
    }
    return ids;
}

std::vector<std::shared_ptr<const FlatFragment>> Index::fragments() const {
    std::shared_lock lock(mutex_);
    return fragments_;
}

}  // namespace holdfast
