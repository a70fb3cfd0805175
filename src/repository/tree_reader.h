// Walks a manifest: directories and extents, node by node. docs/format.md#nodes.
#pragma once

#include "format/node.h"
#include "repository/chunk_reader.h"

namespace holdfast {

// A decoded leaf of a directory's tree, and how its parent refers to it.
struct DirectoryLeaf {
    ChildRef ref;
    std::vector<Entry> entries;
};

// The leaves of a directory's tree, in order. Holds one leaf and the inner nodes above it.
class DirectoryCursor {
  public:
    // Errors: not_found, corrupt.
    static Result<DirectoryCursor> open(ChunkReader& chunks, const ChunkId& root);
    // The next leaf; nothing after the last.
    Result<std::shared_ptr<DirectoryLeaf>> next();
    // Whether the leaf that next() returned was the last.
    bool at_end() const;
    // Goes on at the leaf that would hold `name`: nothing before it is read. From the start only.
    Status seek(std::string_view name);

  private:
    struct Level {
        InnerNode node;
        std::size_t next = 0;
    };
    explicit DirectoryCursor(ChunkReader& chunks) : chunks_(&chunks) {}
    Status descend(const ChildRef& child, std::uint8_t height);

    ChunkReader* chunks_;
    std::vector<Level> levels_;
    std::shared_ptr<DirectoryLeaf> leaf_;  // read ahead by descend()
    // Set by seek(): children that end before it are skipped.
    std::string from_;
};

// The runs of a file's content, whatever form it has. `visit` gets each run in file order and
// returns an error to stop.
Status for_each_run(ChunkReader& chunks,
                    const Entry& file,
                    const std::function<Status(const Run&)>& visit);

// Finds what `path` names below `root` (components separated by '/'; empty: root itself).
// Errors: not_found.
Result<Entry> find_entry(ChunkReader& chunks, const Entry& root, std::string_view path);

// Visits the entries of one directory in order of their names.
Status for_each_entry(ChunkReader& chunks,
                      const Entry& directory,
                      const std::function<Status(const Entry&)>& visit);

// An entry and its path, without a leading slash.
using EntryVisitor = std::function<Status(const std::string& path, const Entry& entry)>;
enum class Recursion { children, all };
std::string join_path(const std::string& directory, const std::string& name);
// Visits what is in a directory, which has `path`, or all that is below it.
Status for_each_entry_below(ChunkReader& chunks,
                            const Entry& directory,
                            const std::string& path,
                            Recursion recursion,
                            const EntryVisitor& visit);

// A directory's entries one by one, in order of their names. Holds one leaf.
class EntryStream {
  public:
    // Null stands for a directory without entries. `directory` must outlive the stream.
    static Result<EntryStream> open(ChunkReader& chunks, const Entry* directory);
    // The entry at hand, or null at the end. Valid until the next call of peek() after advance().
    Result<const Entry*> peek();
    void advance() { ++next_; }

  private:
    std::optional<DirectoryCursor> cursor_;
    std::shared_ptr<DirectoryLeaf> leaf_;
    const std::vector<Entry>* entries_ = nullptr;
    std::size_t next_ = 0;
};

}  // namespace holdfast
