#include "repository/chunk_marker.h"

#include <algorithm>

#include "format/node.h"
#include "repository/fingerprints.h"

namespace holdfast {

namespace {

std::uint64_t key_of(IndexPosition position) {
    return std::uint64_t{position.fragment} << 40 | position.chunk;
}

// A map's entry without its ranges, by arithmetic: node, bucket, and what the allocator adds to two blocks.
constexpr std::size_t part_entry_bytes = 80;

// Keeps `ranges` ascending and not adjacent.
void insert_range(std::vector<ChunkRange>& ranges, ChunkRange added) {
    auto first = std::lower_bound(
        ranges.begin(), ranges.end(), added.offset,
        [](const ChunkRange& range, std::uint32_t offset) { return range.end() < offset; });
    auto last = first;
    for (; last != ranges.end() && last->offset <= added.end(); ++last) {
        const std::uint32_t end = std::max(added.end(), last->end());
        added.offset = std::min(added.offset, last->offset);
        added.bytes = end - added.offset;
    }
    if (first == last) {
        ranges.insert(first, added);
        return;
    }
    *first = added;
    ranges.erase(first + 1, last);
}

}  // namespace

bool ChunkMarker::is_marked(IndexPosition position) const {
    return position.fragment < fragments_.size() &&
           position.chunk < fragments_[position.fragment].met.size() &&
           fragments_[position.fragment].met[position.chunk];
}

std::span<const ChunkRange> ChunkMarker::parts(IndexPosition position) const {
    const auto found = parts_.find(key_of(position));
    if (found == parts_.end()) return {};
    return found->second;
}

// As the index finds it.
std::optional<IndexPosition> ChunkMarker::find(const ChunkId& id, const ChunkRange& part) {
    constexpr std::size_t slots = 1u << 16;
    if (found_.empty() || found_generation_ != index_.generation()) {
        found_generation_ = index_.generation();
        found_.assign(slots, {SIZE_MAX, 0});
    }
    IndexPosition& slot = found_[(std::size_t{id.bytes[31]} << 8 | id.bytes[30]) % slots];
    if (slot.fragment < known_.size() && known_[slot.fragment]->has(slot.chunk, id)) return slot;
    const auto position = index_.position_of(id, part);
    if (!position) return position;
    if (position->fragment >= known_.size()) known_ = index_.fragments();
    if (!known_[position->fragment]->is_thinned(position->chunk)) slot = *position;
    return position;
}

Result<bool> ChunkMarker::mark_chunk(const ChunkId& id, const ChunkRange& part) {
    const auto position = find(id, part);
    if (!position && damage_ == Damage::is_passed_over) return false;
    if (!position)
        return Error(ErrorCode::corrupt, "chunk " + id.hex().substr(0, 16) + " is missing");
    if (part != whole_chunk && part.end() > index_.raw_bytes(*position))
        return Error(ErrorCode::corrupt, "a run beyond its chunk's end");
    const bool is_new = mark_place(*position, part);
    // Which of several claims is true is not known: a hostile one must not have the others pruned.
    for (const IndexPosition claim : index_.other_claims(id, part, *position)) (void)mark_place(claim, part);
    if (is_new && on_mark) HF_TRY_STATUS(on_mark(id, part));
    return is_new;
}

bool ChunkMarker::mark_place(IndexPosition position, const ChunkRange& part) {
    if (position.fragment >= fragments_.size()) fragments_.resize(position.fragment + 1);
    Fragment& fragment = fragments_[position.fragment];
    if (position.chunk >= fragment.met.size()) {
        fragment.met.resize(position.chunk + 1);
        fragment.whole.resize(position.chunk + 1);
    }
    if (!fragment.whole[position.chunk]) add_part(position, part);
    const bool is_new = !fragment.met[position.chunk];
    fragment.met[position.chunk] = true;
    return is_new;
}

void ChunkMarker::add_part(IndexPosition position, const ChunkRange& part) {
    const std::uint64_t key = key_of(position);
    const std::uint32_t raw_bytes = index_.raw_bytes(position);
    std::vector<bool>& whole = fragments_[position.fragment].whole;
    if ((part.offset == 0 && part.bytes >= raw_bytes) || !keeps_parts_of(key)) {
        whole[position.chunk] = true;
        const auto found = parts_.find(key);
        if (found == parts_.end()) return;
        used_part_bytes_ -= part_entry_bytes + sizeof(ChunkRange) * found->second.capacity();
        parts_.erase(found);
        return;
    }
    const auto [it, is_new] = parts_.try_emplace(key);
    std::vector<ChunkRange>& ranges = it->second;
    const std::size_t before = ranges.capacity();
    insert_range(ranges, part);
    used_part_bytes_ += sizeof(ChunkRange) * (ranges.capacity() - before);
    if (is_new) used_part_bytes_ += part_entry_bytes;
    if (ranges.front() == ChunkRange{0, raw_bytes}) return add_part(position, ranges.front());
    if (used_part_bytes_ > part_bytes_) drop_parts();
}

bool ChunkMarker::keeps_parts_of(std::uint64_t key) const {
    if (dropped_halves_ == 0) return true;
    const std::uint64_t mixed = (key ^ salt_) * 0x9E3779B97F4A7C15u;
    return mixed >> (64 - dropped_halves_) == 0;
}

void ChunkMarker::drop_parts() {
    ++dropped_halves_;
    for (auto it = parts_.begin(); it != parts_.end();) {
        if (keeps_parts_of(it->first)) {
            ++it;
            continue;
        }
        fragments_[it->first >> 40].whole[it->first & ((std::uint64_t{1} << 40) - 1)] = true;
        used_part_bytes_ -= part_entry_bytes + sizeof(ChunkRange) * it->second.capacity();
        it = parts_.erase(it);
    }
}

Status ChunkMarker::mark_runs(std::span<const Run> runs) {
    for (const Run& run : runs) {
        if (run.kind != RunKind::data) continue;
        if (run.bytes > max_chunk_bytes || run.chunk_offset > max_chunk_bytes - run.bytes)
            return Error(ErrorCode::corrupt, "a run beyond its chunk's end");
        const bool follows = !waiting_.empty() && waiting_.back().chunk == run.chunk &&
                             waiting_.back().chunk_offset + waiting_.back().bytes == run.chunk_offset;
        if (!follows) HF_TRY_STATUS(mark_waiting());
        waiting_.push_back(run);
    }
    return {};
}

Status ChunkMarker::mark_waiting() {
    if (waiting_.empty()) return {};
    const Run& first = waiting_.front();
    const ChunkRange all{
        first.chunk_offset,
        static_cast<std::uint32_t>(waiting_.back().chunk_offset + waiting_.back().bytes) -
            first.chunk_offset};
    // Two thinned copies may have different parts of it.
    const bool is_together = waiting_.size() == 1 || find(first.chunk, all);
    if (is_together) {
        HF_TRY_STATUS(mark_data(first.chunk, all));
    } else {
        for (const Run& run : waiting_)
            HF_TRY_STATUS(
                mark_data(run.chunk, {run.chunk_offset, static_cast<std::uint32_t>(run.bytes)}));
    }
    waiting_.clear();
    return {};
}

Status ChunkMarker::mark_data(const ChunkId& id, const ChunkRange& part) {
    HF_TRY(const bool is_new, mark_chunk(id, part));
    if (!is_new) return {};
    // Most chunks have none; those that have keep them as long as they live.
    const ChunkId fingerprints = fingerprints_id(keyring_, id);
    if (!find(fingerprints, whole_chunk)) return {};
    HF_TRY_STATUS(mark_chunk(fingerprints, whole_chunk));
    return {};
}

Status ChunkMarker::mark_entry(const Entry& entry) {
    if (const auto* content = std::get_if<RunContent>(&entry.content)) return mark_runs(content->runs);
    const ChunkId* root = nullptr;
    if (const auto* tree = std::get_if<ExtentTree>(&entry.content)) root = &tree->root;
    if (const auto* tree = std::get_if<DirectoryTree>(&entry.content)) root = &tree->root;
    if (root != nullptr) {
        HF_TRY(const bool is_new, mark_chunk(*root, whole_chunk));
        if (is_new) nodes_.push_back(*root);
    }
    // Inlined directories nest at most 64 deep.
    if (const auto* list = std::get_if<InlineDirectory>(&entry.content))
        for (const Entry& child : list->entries) HF_TRY_STATUS(mark_entry(child));
    return {};
}

Status ChunkMarker::mark_node(const ChunkId& id) {
    HF_TRY(const RawBytes node, chunks_.read(id, ChunkPurpose::node));
    HF_TRY(const NodeType type, node_type(node));
    switch (type) {
        case NodeType::directory_leaf: {
            HF_TRY(const std::vector<Entry> entries, decode_directory_leaf(node));
            for (const Entry& entry : entries) HF_TRY_STATUS(mark_entry(entry));
            return {};
        }
        case NodeType::extent_leaf: {
            HF_TRY(const std::vector<Run> runs, decode_extent_leaf(node));
            return mark_runs(runs);
        }
        case NodeType::directory_inner:
        case NodeType::extent_inner: {
            HF_TRY(const InnerNode inner, type == NodeType::directory_inner
                                              ? decode_directory_inner(node)
                                              : decode_extent_inner(node));
            for (const ChildRef& child : inner.children) {
                HF_TRY(const bool is_new, mark_chunk(child.id, whole_chunk));
                if (is_new) nodes_.push_back(child.id);
            }
            return {};
        }
    }
    return Error(ErrorCode::corrupt, "damaged manifest: node type");
}

Status ChunkMarker::mark(const Entry& root, Damage damage) {
    damage_ = damage;
    nodes_.clear();
    waiting_.clear();
    HF_TRY_STATUS(mark_entry(root));
    while (!nodes_.empty()) {
        const ChunkId id = nodes_.back();
        nodes_.pop_back();
        Status marked = mark_node(id);
        if (!marked.ok() && marked.error().code() == ErrorCode::corrupt &&
            damage_ == Damage::is_passed_over)
            continue;
        HF_TRY_STATUS(std::move(marked));
    }
    return mark_waiting();
}

}  // namespace holdfast
