#include "repository/tree_builder.h"

namespace holdfast {
namespace {

// One name in `2^n` ends a node. With entries of some 20 bytes, nodes of 4 KiB at the least and an
// average of 8 KiB: the next boundary is 4 KiB, 200 entries, away.
constexpr std::uint64_t boundary_one_in = 192;
// Inner nodes hold about 150 children of some 45 bytes.
constexpr std::size_t inner_min = 48, inner_max = 384;
constexpr std::uint64_t inner_one_in = 96;
// Extents: about 6 bytes a run. The boundary is where the file's offset says, so that equal regions
// of two versions make equal nodes whatever changed before them.
constexpr std::uint64_t extent_span_bytes = 64u << 20;
constexpr std::size_t extent_max_runs = 2048;

constexpr std::size_t max_inline_nesting = 16;

// A boundary must not depend on any repository's secrets: who can name files can choose where nodes
// end, which costs him his own space only.
std::uint64_t boundary_hash(std::string_view name, std::uint64_t level) {
    std::uint64_t hash = 0xcbf29ce484222325u ^ (level * 0x9E3779B97F4A7C15u);
    for (const char c : name) hash = (hash ^ static_cast<std::uint8_t>(c)) * 0x100000001b3u;
    hash ^= hash >> 32;
    hash *= 0xD6E8FEB86659FD93u;
    return hash ^ (hash >> 32);
}

std::size_t nesting_of(const Entry& entry) {
    const auto* list = std::get_if<InlineDirectory>(&entry.content);
    if (list == nullptr) return 0;
    std::size_t deepest = 0;
    for (const Entry& child : list->entries) deepest = std::max(deepest, nesting_of(child));
    return deepest + 1;
}

// Builds inner levels over `children` until one node is left; returns its id.
template <typename Boundary, typename Encode>
Result<ChunkId> build_inner(NodeStore& nodes,
                            std::vector<ChildRef> children,
                            Boundary is_boundary,
                            Encode encode) {
    std::uint8_t height = 1;
    while (children.size() > 1) {
        std::vector<ChildRef> parents;
        InnerNode node{height, {}};
        for (std::size_t i = 0; i < children.size(); ++i) {
            node.children.push_back(std::move(children[i]));
            const bool last = i + 1 == children.size();
            const std::size_t count = node.children.size();
            if (!last && count < inner_max &&
                (count < inner_min || !is_boundary(node.children.back(), height)))
                continue;
            ChildRef parent;
            parent.last_name = node.children.back().last_name;
            for (const ChildRef& child : node.children) parent.bytes += child.bytes;
            HF_TRY(parent.id, nodes.put(encode(node)));
            parents.push_back(std::move(parent));
            node.children.clear();
        }
        children = std::move(parents);
        ++height;
    }
    return children.front().id;
}

}  // namespace

Result<ChunkId> NodeStore::put(ByteSpan node) {
    if (node.size() > max_chunk_bytes)
        return Error(ErrorCode::unsupported, "an entry with more than 16 MiB of metadata");
    ChunkIdBuilder builder(ChunkPurpose::node);
    builder.add(node.size(), keyed_hash(keyring_.member_key(), node));
    EncodedChunk chunk;
    chunk.purpose = ChunkPurpose::node;
    chunk.id = builder.finish(keyring_.id_key());
    if (!session_.claim(chunk.id)) return chunk.id;
    chunk.raw_bytes = static_cast<std::uint32_t>(node.size());
    Bytes frame;
    ByteWriter out(frame);
    encode_chunk_header({}, out);
    compressor_.append(node, frame);
    chunk.frames.push_back(std::move(frame));
    const ChunkId id = chunk.id;
    HF_TRY_STATUS(session_.append(std::move(chunk)));
    return id;
}

Status DirectoryBuilder::add(Entry entry) {
    leaf_.add(entry);
    const std::size_t size = leaf_.encoded_bytes();
    if (may_inline_ && (size > inline_directory_bytes || !leaves_.empty() ||
                        nesting_of(entry) >= max_inline_nesting)) {
        may_inline_ = false;
        small_.clear();
    }
    const bool ends = size >= node_max_bytes ||
                      (size >= node_min_bytes &&
                       boundary_hash(entry.name, 0) % boundary_one_in == 0);
    if (may_inline_) small_.push_back(std::move(entry));
    return ends ? close_leaf() : ok_status();
}

Status DirectoryBuilder::close_leaf() {
    ChildRef ref;
    ref.last_name = leaf_.last_name();
    HF_TRY(ref.id, nodes_->put(leaf_.finish()));
    leaves_.push_back(std::move(ref));
    return {};
}

Status DirectoryBuilder::add_leaf(const ChildRef& leaf) {
    HF_CHECK(can_add_leaf());
    may_inline_ = false;
    small_.clear();
    leaves_.push_back(leaf);
    return {};
}

Result<Content> DirectoryBuilder::finish() {
    if (may_inline_) return Content(InlineDirectory{std::move(small_)});
    if (!leaf_.empty()) HF_TRY_STATUS(close_leaf());
    HF_TRY(const ChunkId root,
           build_inner(
               *nodes_, std::move(leaves_),
               [](const ChildRef& child, std::uint8_t height) {
                   return boundary_hash(child.last_name, height) % inner_one_in == 0;
               },
               encode_directory_inner));
    return Content(DirectoryTree{root});
}

namespace {

bool continues(const Run& last, const Run& run) {
    if (last.kind != run.kind) return false;
    if (run.kind != RunKind::data) return true;
    return last.chunk == run.chunk && last.chunk_offset + last.bytes == run.chunk_offset;
}

}  // namespace

Status ExtentBuilder::add(const Run& run) {
    if (run.bytes == 0) return {};
    if (!runs_.empty() && continues(runs_.back(), run)) {
        runs_.back().bytes += run.bytes;
        return {};
    }
    runs_.push_back(run);
    if (runs_.size() > inline_run_count) return close_full_leaves();
    return {};
}

// Closes every leaf that is complete; the last run stays, because it may still grow.
Status ExtentBuilder::close_full_leaves() {
    std::size_t first = 0;
    std::uint64_t end = leaf_start_;
    for (std::size_t i = 0; i + 1 < runs_.size(); ++i) {
        end += runs_[i].bytes;
        const bool crosses = end / extent_span_bytes != leaf_start_ / extent_span_bytes;
        if (!crosses && i + 1 - first < extent_max_runs) continue;
        HF_TRY_STATUS(close_leaf(std::span(runs_).subspan(first, i + 1 - first), end));
        first = i + 1;
    }
    runs_.erase(runs_.begin(), runs_.begin() + static_cast<std::ptrdiff_t>(first));
    return {};
}

Status ExtentBuilder::close_leaf(std::span<const Run> runs, std::uint64_t end) {
    ChildRef ref;
    ref.bytes = end - leaf_start_;
    HF_TRY(ref.id, nodes_->put(encode_extent_leaf(runs)));
    leaves_.push_back(std::move(ref));
    leaf_start_ = end;
    return {};
}

Result<Content> ExtentBuilder::finish() {
    if (leaves_.empty() && runs_.size() <= inline_run_count) {
        if (runs_.empty()) return Content(NoContent{});
        return Content(RunContent{std::move(runs_)});
    }
    HF_TRY_STATUS(close_full_leaves());
    std::uint64_t end = leaf_start_;
    for (const Run& run : runs_) end += run.bytes;
    if (!runs_.empty()) HF_TRY_STATUS(close_leaf(runs_, end));
    HF_TRY(const ChunkId root,
           build_inner(
               *nodes_, std::move(leaves_),
               [](const ChildRef& child, std::uint8_t) {
                   return child.id.prefix64() % inner_one_in == 0;
               },
               encode_extent_inner));
    return Content(ExtentTree{root});
}

}  // namespace holdfast
