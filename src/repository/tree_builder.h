// Builds manifests: directory trees and extent trees from what comes in order.
// docs/format.md#nodes.
#pragma once

#include "format/node.h"
#include "repository/compression.h"
#include "repository/write_session.h"

namespace holdfast {

// Sizes of nodes, before compression. A node ends at a boundary that its last name chooses (so that
// equal neighbourhoods make equal nodes), not below min and not above max but for one entry.
// Smaller than in the first sketch of the format, because entries are: 20 bytes, not 60.
inline constexpr std::size_t node_min_bytes = 4096;
inline constexpr std::size_t node_max_bytes = 16384;
// A directory whose entries take no more than this stands in its parent's node.
inline constexpr std::size_t inline_directory_bytes = 2048;
// Runs that take more than this stand in an extent tree.
inline constexpr std::size_t inline_run_count = 64;

// Stores nodes as metadata chunks, once each.
class NodeStore {
  public:
    explicit NodeStore(WriteSession& session, const Keyring& keyring)
        : session_(session), keyring_(keyring), compressor_(CompressionLevel::standard) {}
    Result<ChunkId> put(ByteSpan node);

  private:
    WriteSession& session_;
    const Keyring& keyring_;
    Compressor compressor_;
};

// Builds one directory from its entries, or whole leaves of an earlier version, in order of names.
class DirectoryBuilder {
  public:
    explicit DirectoryBuilder(NodeStore& nodes) : nodes_(&nodes) {}

    Status add(Entry entry);
    // Whether a leaf of an earlier version can be taken over unread: only where a node could begin.
    bool can_add_leaf() const { return leaf_.empty(); }
    Status add_leaf(const ChildRef& leaf);
    // The directory's content.
    Result<Content> finish();

  private:
    Status close_leaf();

    NodeStore* nodes_;
    DirectoryLeafWriter leaf_;
    // Entries of the first leaf, in case the directory is small enough to be inlined.
    std::vector<Entry> small_;
    bool may_inline_ = true;
    std::vector<ChildRef> leaves_;  // 60 bytes a leaf: 0.5 % of the names they stand for
};

// The content of a file: inline, by runs, or as a tree.
class ExtentBuilder {
  public:
    explicit ExtentBuilder(NodeStore& nodes) : nodes_(&nodes) {}
    // Joins neighbours that continue each other.
    Status add(const Run& run);
    Result<Content> finish();

  private:
    Status close_full_leaves();
    Status close_leaf(std::span<const Run> runs, std::uint64_t end);

    NodeStore* nodes_;
    std::vector<Run> runs_;            // of the open leaf: at most 2,049
    std::uint64_t leaf_start_ = 0;     // file offset of the open leaf
    std::vector<ChildRef> leaves_;     // 48 bytes for each 64 MiB of the file
};

}  // namespace holdfast
