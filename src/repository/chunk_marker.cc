#include "repository/chunk_marker.h"

#include "format/node.h"
#include "repository/fingerprints.h"

namespace holdfast {

bool ChunkMarker::is_marked(IndexPosition position) const {
    return position.fragment < bits_.size() && position.chunk < bits_[position.fragment].size() &&
           bits_[position.fragment][position.chunk];
}

// True when it was not marked before.
Result<bool> ChunkMarker::mark_chunk(const ChunkId& id) {
    const auto position = index_.position_of(id);
    if (!position && damage_ == Damage::is_passed_over) return false;
    if (!position)
        return Error(ErrorCode::corrupt, "chunk " + id.hex().substr(0, 16) + " is missing");
    if (position->fragment >= bits_.size()) bits_.resize(position->fragment + 1);
    std::vector<bool>& bits = bits_[position->fragment];
    if (position->chunk >= bits.size()) bits.resize(position->chunk + 1);
    if (bits[position->chunk]) return false;
    bits[position->chunk] = true;
    if (on_mark) HF_TRY_STATUS(on_mark(id));
    return true;
}

Status ChunkMarker::mark_runs(std::span<const Run> runs) {
    for (const Run& run : runs) {
        if (run.kind != RunKind::data) continue;
        HF_TRY(const bool is_new, mark_chunk(run.chunk));
        if (!is_new) continue;
        // Most chunks have none; those that have keep them as long as they live.
        const ChunkId fingerprints = fingerprints_id(keyring_, run.chunk);
        if (index_.position_of(fingerprints)) HF_TRY_STATUS(mark_chunk(fingerprints));
    }
    return {};
}

Status ChunkMarker::mark_entry(const Entry& entry) {
    if (const auto* content = std::get_if<RunContent>(&entry.content)) return mark_runs(content->runs);
    const ChunkId* root = nullptr;
    if (const auto* tree = std::get_if<ExtentTree>(&entry.content)) root = &tree->root;
    if (const auto* tree = std::get_if<DirectoryTree>(&entry.content)) root = &tree->root;
    if (root != nullptr) {
        HF_TRY(const bool is_new, mark_chunk(*root));
        if (is_new) nodes_.push_back(*root);
    }
    // Inlined directories nest at most 64 deep.
    if (const auto* list = std::get_if<InlineDirectory>(&entry.content))
        for (const Entry& child : list->entries) HF_TRY_STATUS(mark_entry(child));
    return {};
}

Status ChunkMarker::mark_node(const ChunkId& id) {
    HF_TRY(const Bytes node, chunks_.read(id, ChunkPurpose::node));
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
                HF_TRY(const bool is_new, mark_chunk(child.id));
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
    return {};
}

}  // namespace holdfast
