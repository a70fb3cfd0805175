// Merges the live walk with the previous version's tree into the new tree. What did not change is
// taken over without being encoded again, whole nodes at a time. docs/format.md#merge.
#pragma once

#include "repository/tree_builder.h"
#include "repository/tree_reader.h"

namespace holdfast {

// An entry of the previous version and where it stands in its node.
struct PreviousEntry {
    std::shared_ptr<const Entry> entry;  // null: there is none
    // The leaf that holds it, and its place there; null for an entry of an inlined directory.
    std::shared_ptr<const DirectoryLeaf> leaf;
    std::size_t position = 0;
    bool is_last_leaf = false;
};

// The entries of one directory of the previous version, in order.
class PreviousDirectory {
  public:
    // `directory` may be null: then it has no entries.
    static Result<PreviousDirectory> open(ChunkReader* chunks,
                                          std::shared_ptr<const Entry> directory);
    // The entry of this name, or one without entry. Names must be asked for in ascending order.
    Result<PreviousEntry> find(std::string_view name);
    // Whether every entry has been asked for: none was skipped and none is left.
    Result<bool> all_found();

  private:
    Status load();

    std::shared_ptr<const Entry> directory_;
    std::optional<DirectoryCursor> cursor_;
    std::shared_ptr<const DirectoryLeaf> leaf_;
    const std::vector<Entry>* entries_ = nullptr;
    std::size_t next_ = 0;
    bool is_last_leaf_ = false;
    bool skipped_ = false;
};

// Builds the new tree from events in the order of the walk. For one thread.
// Memory: one node for each level of directories that is open.
class TreeMerger {
  public:
    explicit TreeMerger(NodeStore& nodes) : nodes_(nodes) {}

    // A directory begins; `previous` is it in the previous version.
    void enter(std::string name, Metadata metadata, PreviousEntry previous);
    // An entry that is as it was.
    Status same(const PreviousEntry& previous);
    Status add(Entry entry);
    // The innermost directory ends. `nothing_gone`: all entries of its previous version were seen.
    enum class Gone { nothing, something };
    Status leave(Gone gone);
    std::size_t depth() const { return frames_.size(); }
    // The root as if the source ended here: what is open holds what it has so far. Stores nodes.
    Result<Entry> so_far() const;
    // The root, after its leave() or, for a lone file, its add().
    Result<Entry> take_root();

  private:
    struct Frame {
        std::string name;
        Metadata metadata;
        PreviousEntry previous;
        std::optional<DirectoryBuilder> builder;  // made at the first difference
        // Leaves that were seen whole while nothing differed.
        std::vector<ChildRef> whole_leaves;
        // A run of unchanged entries from a node's start that may become a node taken over.
        std::shared_ptr<const DirectoryLeaf> leaf;
        std::size_t leaf_count = 0;
        bool is_last_leaf = false;
        // Inlined previous directory: entries seen from its start.
        std::size_t inline_count = 0;
    };

    Status make_builder(Frame& frame);
    Status flush_leaf(Frame& frame);
    Status same_in_leaf(Frame& frame, const PreviousEntry& previous);
    Status close(Frame frame, Gone gone);

    NodeStore& nodes_;
    std::vector<Frame> frames_;
    std::optional<Entry> root_;
};

}  // namespace holdfast
