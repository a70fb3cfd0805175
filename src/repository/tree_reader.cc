#include "repository/tree_reader.h"

namespace holdfast {
namespace {

constexpr std::uint8_t max_height = 32;

Error bad(const char* what) {
    return {ErrorCode::corrupt, std::string("damaged manifest: ") + what};
}

}  // namespace

Result<DirectoryCursor> DirectoryCursor::open(ChunkReader& chunks, const ChunkId& root) {
    DirectoryCursor cursor(chunks);
    HF_TRY_STATUS(cursor.descend({root, {}, 0}, max_height + 1));
    return cursor;
}

Status DirectoryCursor::seek(std::string_view name) {
    from_ = name;
    // The first descent went to the first leaf: go down again from the root.
    for (std::size_t level = 0; level < levels_.size(); ++level) {
        const auto& children = levels_[level].node.children;
        std::size_t i = 0;
        while (i + 1 < children.size() && children[i].last_name < from_) ++i;
        if (i == 0) continue;
        levels_.resize(level + 1);
        levels_[level].next = i + 1;
        leaf_.reset();
        return descend(children[i], levels_[level].node.height);
    }
    return {};
}

// Reads `child`, which must be lower than `height`, and on down to a leaf.
Status DirectoryCursor::descend(const ChildRef& child, std::uint8_t height) {
    ChildRef next = child;
    for (;;) {
        HF_TRY(const RawBytes node, chunks_->read(next.id, ChunkPurpose::node));
        HF_TRY(const NodeType type, node_type(node));
        if (type == NodeType::directory_leaf) {
            if (height > 1 && height <= max_height) return bad("a leaf too high");
            leaf_ = std::make_shared<DirectoryLeaf>();
            HF_TRY(leaf_->entries, decode_directory_leaf(node));
            if (leaf_->entries.empty() && !levels_.empty()) return bad("an empty leaf");
            leaf_->ref = next;
            if (!leaf_->entries.empty()) leaf_->ref.last_name = leaf_->entries.back().name;
            return {};
        }
        HF_TRY(InnerNode inner, decode_directory_inner(node));
        if (inner.height >= height) return bad("an inner node too high");
        height = inner.height;
        std::size_t first = 0;
        while (first + 1 < inner.children.size() && inner.children[first].last_name < from_)
            ++first;
        next = inner.children[first];
        levels_.push_back({std::move(inner), first + 1});
    }
}

Result<std::shared_ptr<DirectoryLeaf>> DirectoryCursor::next() {
    if (leaf_) return std::exchange(leaf_, nullptr);
    while (!levels_.empty()) {
        Level& level = levels_.back();
        if (level.next == level.node.children.size()) {
            levels_.pop_back();
            continue;
        }
        const ChildRef child = level.node.children[level.next++];
        HF_TRY_STATUS(descend(child, level.node.height));
        return std::exchange(leaf_, nullptr);
    }
    return std::shared_ptr<DirectoryLeaf>();
}

bool DirectoryCursor::at_end() const {
    if (leaf_) return false;
    for (const Level& level : levels_)
        if (level.next < level.node.children.size()) return false;
    return true;
}

namespace {

Status visit_extents(ChunkReader& chunks,
                     const ChunkId& id,
                     std::uint8_t height,
                     std::uint64_t expected,
                     const std::function<Status(const Run&)>& visit) {
    HF_TRY(const RawBytes node, chunks.read(id, ChunkPurpose::node));
    HF_TRY(const NodeType type, node_type(node));
    std::uint64_t total = 0;
    if (type == NodeType::extent_leaf) {
        HF_TRY(const std::vector<Run> runs, decode_extent_leaf(node));
        for (const Run& run : runs) {
            total += run.bytes;
            HF_TRY_STATUS(visit(run));
        }
    } else {
        HF_TRY(const InnerNode inner, decode_extent_inner(node));
        if (inner.height >= height) return bad("an inner node too high");
        for (const ChildRef& child : inner.children) {
            total += child.bytes;
            HF_TRY_STATUS(visit_extents(chunks, child.id, inner.height, child.bytes, visit));
        }
    }
    if (total != expected) return bad("extents that do not add up to the file's size");
    return {};
}

}  // namespace

Status for_each_run(ChunkReader& chunks,
                    const Entry& file,
                    const std::function<Status(const Run&)>& visit) {
    if (const auto* content = std::get_if<RunContent>(&file.content)) {
        for (const Run& run : content->runs) HF_TRY_STATUS(visit(run));
        return {};
    }
    if (const auto* tree = std::get_if<ExtentTree>(&file.content))
        return visit_extents(chunks, tree->root, max_height + 1, file.metadata.size, visit);
    return {};
}

Status for_each_entry(ChunkReader& chunks,
                      const Entry& directory,
                      const std::function<Status(const Entry&)>& visit) {
    if (const auto* list = std::get_if<InlineDirectory>(&directory.content)) {
        for (const Entry& entry : list->entries) HF_TRY_STATUS(visit(entry));
        return {};
    }
    const auto* tree = std::get_if<DirectoryTree>(&directory.content);
    if (tree == nullptr) return {};
    HF_TRY(DirectoryCursor cursor, DirectoryCursor::open(chunks, tree->root));
    for (;;) {
        HF_TRY(const std::shared_ptr<DirectoryLeaf> leaf, cursor.next());
        if (!leaf) return {};
        for (const Entry& entry : leaf->entries) HF_TRY_STATUS(visit(entry));
    }
}

namespace {

Result<Entry> find_child(ChunkReader& chunks, const Entry& directory, std::string_view name) {
    const auto find_in = [name](const std::vector<Entry>& entries) -> const Entry* {
        const auto it = std::lower_bound(
            entries.begin(), entries.end(), name,
            [](const Entry& entry, std::string_view wanted) { return entry.name < wanted; });
        return it != entries.end() && it->name == name ? &*it : nullptr;
    };
    const Entry* found = nullptr;
    std::shared_ptr<DirectoryLeaf> leaf;
    if (const auto* list = std::get_if<InlineDirectory>(&directory.content)) {
        found = find_in(list->entries);
    } else if (const auto* tree = std::get_if<DirectoryTree>(&directory.content)) {
        HF_TRY(DirectoryCursor cursor, DirectoryCursor::open(chunks, tree->root));
        HF_TRY_STATUS(cursor.seek(name));
        HF_TRY(leaf, cursor.next());
        if (leaf) found = find_in(leaf->entries);
    }
    if (found == nullptr)
        return Error(ErrorCode::not_found, "no such file in the restore point");
    return *found;
}

}  // namespace

Result<Entry> find_entry(ChunkReader& chunks, const Entry& root, std::string_view path) {
    Entry entry = root;
    const std::string wanted(path);
    // A lone file is found by its name.
    if (root.metadata.type != EntryType::directory && path == root.name) return entry;
    while (!path.empty()) {
        const std::size_t slash = path.find('/');
        const std::string_view name = path.substr(0, slash);
        path = slash == std::string_view::npos ? std::string_view{} : path.substr(slash + 1);
        if (name.empty() || name == ".") continue;
        auto child = find_child(chunks, entry, name);
        if (!child.ok() && child.error().code() == ErrorCode::not_found)
            return Error(ErrorCode::not_found, "no such file in the restore point: /" + wanted);
        HF_TRY(entry, std::move(child));
    }
    return entry;
}

std::string join_path(const std::string& directory, const std::string& name) {
    return directory.empty() ? name : directory + '/' + name;
}

Status for_each_entry_below(ChunkReader& chunks,
                            const Entry& directory,
                            const std::string& path,
                            Recursion recursion,
                            const EntryVisitor& visit) {
    if (directory.metadata.type != EntryType::directory) return {};
    return for_each_entry(chunks, directory, [&](const Entry& child) -> Status {
        const std::string child_path = join_path(path, child.name);
        HF_TRY_STATUS(visit(child_path, child));
        if (recursion == Recursion::children) return {};
        return for_each_entry_below(chunks, child, child_path, recursion, visit);
    });
}

Result<EntryStream> EntryStream::open(ChunkReader& chunks, const Entry* directory) {
    EntryStream stream;
    if (directory == nullptr) return stream;
    if (const auto* list = std::get_if<InlineDirectory>(&directory->content)) {
        stream.entries_ = &list->entries;
    } else if (const auto* tree = std::get_if<DirectoryTree>(&directory->content)) {
        HF_TRY(stream.cursor_, DirectoryCursor::open(chunks, tree->root));
    }
    return stream;
}

Result<const Entry*> EntryStream::peek() {
    while (entries_ == nullptr || next_ == entries_->size()) {
        if (!cursor_) return static_cast<const Entry*>(nullptr);
        HF_TRY(leaf_, cursor_->next());
        if (!leaf_) {
            cursor_.reset();
            entries_ = nullptr;
            return static_cast<const Entry*>(nullptr);
        }
        entries_ = &leaf_->entries;
        next_ = 0;
    }
    return &(*entries_)[next_];
}

}  // namespace holdfast
