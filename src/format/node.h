// Nodes of the manifest: directory nodes and extent nodes. docs/format.md#nodes.
#pragma once

#include "base/result.h"
#include "format/entry.h"

namespace holdfast {

// The numbers are stored.
enum class NodeType : std::uint8_t {
    directory_leaf = 1,
    directory_inner = 2,
    extent_leaf = 3,
    extent_inner = 4,
};

// A child of an inner node. For a directory: `last_name` is the greatest name below it. For extents:
// `bytes` is the content below it.
struct ChildRef {
    ChunkId id;
    std::string last_name;
    std::uint64_t bytes = 0;
    bool operator==(const ChildRef&) const = default;
};

// Encodes the leaf of a directory entry by entry, so that a builder sees its size grow.
class DirectoryLeafWriter {
  public:
    void add(const Entry& entry);
    bool empty() const { return count_ == 0; }
    std::size_t count() const { return count_; }
    // Bytes of the node if it were finished now.
    std::size_t encoded_bytes() const { return body_.size() + 32 * table_.size() + 8; }
    const std::string& last_name() const { return last_name_; }
    // The node; the writer is empty again.
    Bytes finish();
    static Bytes extent_leaf(std::span<const Run> runs);

  private:
    friend class EntryEncoder;
    struct Previous {
        std::uint16_t file_mode = 0644, directory_mode = 0755;
        std::uint32_t uid = 0, gid = 0;
        TimeNs mtime = 0, ctime = 0;
        std::uint64_t inode = 0;
        std::size_t chunk = 0;  // table index of the last run
    };

    Bytes body_;
    std::vector<ChunkId> table_;
    std::vector<std::uint32_t> table_end_;  // per chunk: where its last run ended
    Previous previous_;
    std::string last_name_;
    std::size_t count_ = 0;
};

// Errors of all decoders: corrupt. Names come out valid, strictly ascending and unique.
Result<std::vector<Entry>> decode_directory_leaf(ByteSpan node);

struct InnerNode {
    std::uint8_t height = 1;  // 1: the children are leaves
    std::vector<ChildRef> children;
    bool operator==(const InnerNode&) const = default;
};
Bytes encode_directory_inner(const InnerNode& node);
Result<InnerNode> decode_directory_inner(ByteSpan node);
Bytes encode_extent_inner(const InnerNode& node);
Result<InnerNode> decode_extent_inner(ByteSpan node);

Bytes encode_extent_leaf(std::span<const Run> runs);
Result<std::vector<Run>> decode_extent_leaf(ByteSpan node);

// The type that a node says it has. Errors: corrupt.
Result<NodeType> node_type(ByteSpan node);

}  // namespace holdfast
