#include "backup/tree_merger.h"

namespace holdfast {

Result<PreviousDirectory> PreviousDirectory::open(ChunkReader* chunks,
                                                  std::shared_ptr<const Entry> directory) {
    PreviousDirectory result;
    result.directory_ = std::move(directory);
    if (!result.directory_) return result;
    if (const auto* list = std::get_if<InlineDirectory>(&result.directory_->content)) {
        result.entries_ = &list->entries;
    } else if (const auto* tree = std::get_if<DirectoryTree>(&result.directory_->content)) {
        HF_TRY(result.cursor_, DirectoryCursor::open(*chunks, tree->root));
        HF_TRY_STATUS(result.load());
    }
    return result;
}

// The next leaf, or none.
Status PreviousDirectory::load() {
    HF_TRY(leaf_, cursor_->next());
    entries_ = leaf_ ? &leaf_->entries : nullptr;
    is_last_leaf_ = cursor_->at_end();
    next_ = 0;
    return {};
}

Result<PreviousEntry> PreviousDirectory::find(std::string_view name) {
    while (entries_ != nullptr) {
        if (next_ == entries_->size()) {
            if (!cursor_) break;
            HF_TRY_STATUS(load());
            continue;
        }
        const Entry& candidate = (*entries_)[next_];
        if (candidate.name > name) break;
        const std::size_t position = next_++;
        if (candidate.name < name) {
            skipped_ = true;
            continue;
        }
        PreviousEntry found;
        found.leaf = leaf_;
        found.position = position;
        found.is_last_leaf = is_last_leaf_;
        // Shares ownership with what holds it.
        if (leaf_) found.entry = std::shared_ptr<const Entry>(leaf_, &candidate);
        else found.entry = std::shared_ptr<const Entry>(directory_, &candidate);
        return found;
    }
    return PreviousEntry{};
}

Result<bool> PreviousDirectory::all_found() {
    while (entries_ != nullptr && next_ == entries_->size() && cursor_) HF_TRY_STATUS(load());
    return !skipped_ && (entries_ == nullptr || next_ == entries_->size());
}

void TreeMerger::enter(std::string name, Metadata metadata, PreviousEntry previous) {
    Frame frame;
    frame.name = std::move(name);
    frame.metadata = std::move(metadata);
    frame.previous = std::move(previous);
    const Entry* entry = frame.previous.entry.get();
    // Nothing to take over: build at once.
    if (entry == nullptr || std::holds_alternative<NoContent>(entry->content))
        frame.builder.emplace(nodes_);
    frames_.push_back(std::move(frame));
}

// Adds the entries of a leaf that was seen in part, one by one.
Status TreeMerger::flush_leaf(Frame& frame) {
    const auto leaf = std::exchange(frame.leaf, nullptr);
    if (!leaf) return {};
    for (std::size_t i = 0; i < frame.leaf_count; ++i)
        HF_TRY_STATUS(frame.builder->add(leaf->entries[i]));
    return {};
}

Status TreeMerger::make_builder(Frame& frame) {
    if (frame.builder) return flush_leaf(frame);
    frame.builder.emplace(nodes_);
    for (const ChildRef& leaf : frame.whole_leaves) HF_TRY_STATUS(frame.builder->add_leaf(leaf));
    frame.whole_leaves.clear();
    if (const auto* list = std::get_if<InlineDirectory>(&frame.previous.entry->content))
        for (std::size_t i = 0; i < frame.inline_count; ++i)
            HF_TRY_STATUS(frame.builder->add(list->entries[i]));
    return flush_leaf(frame);
}

// Collects unchanged neighbours of one leaf; a leaf that is complete is taken over as it is.
Status TreeMerger::same_in_leaf(Frame& frame, const PreviousEntry& previous) {
    const bool goes_on = frame.leaf == previous.leaf && frame.leaf_count == previous.position;
    const bool may_begin =
        previous.position == 0 && !frame.leaf && (!frame.builder || frame.builder->can_add_leaf());
    if (!goes_on && !may_begin) {
        HF_TRY_STATUS(make_builder(frame));
        // After the flush, a node may begin here after all.
        if (previous.position != 0 || !frame.builder->can_add_leaf())
            return frame.builder->add(*previous.entry);
    }
    frame.leaf = previous.leaf;
    frame.leaf_count = previous.position + 1;
    frame.is_last_leaf = previous.is_last_leaf;
    // The last leaf ended where the directory did, not at a boundary: if more follows, it is built
    // anew.
    if (frame.leaf_count < frame.leaf->entries.size() || frame.is_last_leaf) return {};
    const ChildRef ref = std::exchange(frame.leaf, nullptr)->ref;
    if (frame.builder) return frame.builder->add_leaf(ref);
    frame.whole_leaves.push_back(ref);
    return {};
}

Status TreeMerger::same(const PreviousEntry& previous) {
    if (frames_.empty()) {
        root_ = *previous.entry;
        return {};
    }
    Frame& frame = frames_.back();
    if (previous.leaf) return same_in_leaf(frame, previous);
    if (!frame.builder && frame.inline_count == previous.position) {
        ++frame.inline_count;
        return {};
    }
    HF_TRY_STATUS(make_builder(frame));
    return frame.builder->add(*previous.entry);
}

Status TreeMerger::add(Entry entry) {
    if (frames_.empty()) {
        root_ = std::move(entry);
        return {};
    }
    HF_TRY_STATUS(make_builder(frames_.back()));
    return frames_.back().builder->add(std::move(entry));
}

Status TreeMerger::leave(Gone gone) {
    HF_CHECK(!frames_.empty());
    Frame frame = std::move(frames_.back());
    frames_.pop_back();
    return close(std::move(frame), gone);
}

Status TreeMerger::close(Frame frame, Gone gone) {
    const Entry* before = frame.previous.entry.get();
    if (!frame.builder && gone == Gone::nothing) {
        if (before->metadata == frame.metadata) return same(frame.previous);
        return add({std::move(frame.name), std::move(frame.metadata), before->content});
    }
    if (frame.builder && frame.leaf && frame.is_last_leaf &&
        frame.leaf_count == frame.leaf->entries.size() && frame.builder->can_add_leaf()) {
        HF_TRY_STATUS(frame.builder->add_leaf(std::exchange(frame.leaf, nullptr)->ref));
    } else {
        HF_TRY_STATUS(make_builder(frame));
    }
    HF_TRY(Content content, frame.builder->finish());
    return add({std::move(frame.name), std::move(frame.metadata), std::move(content)});
}

Result<Entry> TreeMerger::so_far() const {
    TreeMerger copy(*this);
    while (copy.depth() > 0) HF_TRY_STATUS(copy.leave(Gone::something));
    return copy.take_root();
}

Result<Entry> TreeMerger::take_root() {
    if (!frames_.empty() || !root_)
        return Error(ErrorCode::internal, "the source ended before its root did");
    return *std::exchange(root_, std::nullopt);
}

}  // namespace holdfast
