// What is known of one thing in a tree. docs/format.md#entries.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "format/ids.h"

namespace holdfast {

// The numbers are stored.
enum class EntryType : std::uint8_t {
    file = 1,
    directory = 2,
    symlink = 3,
    fifo = 4,
    socket = 5,
    char_device = 6,
    block_device = 7,
};

enum class RunKind : std::uint8_t { data = 0, hole = 1, zeros = 2 };

// Content bytes, in file order: runs follow each other without gaps.
struct Run {
    RunKind kind = RunKind::data;
    ChunkId chunk;                   // data only
    std::uint32_t chunk_offset = 0;  // data only
    std::uint64_t bytes = 0;
    bool operator==(const Run&) const = default;
};

struct ExtendedAttribute {
    std::string name;
    Bytes value;
    auto operator<=>(const ExtendedAttribute&) const = default;
};

// Metadata of an entry, all that a Linux file system keeps but st_dev and atime.
struct Metadata {
    EntryType type = EntryType::file;
    std::uint16_t mode = 0;  // the low 12 bits of st_mode
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    TimeNs mtime = 0;
    TimeNs ctime = 0;  // for the change test only; cannot be restored
    std::uint64_t inode = 0;
    std::uint64_t size = 0;         // bytes of a file's content; 0 for anything else
    std::uint32_t file_system = 0;  // number in the order the walk met them; the source's own is 0
    bool has_links = false;         // a hard link: entries of equal (file_system, inode) are one
    std::uint64_t device = 0;       // st_rdev of a device
    std::uint32_t attributes = 0;   // FS_*_FL flags that are kept (docs/format.md#entries)
    std::string target;             // of a symlink
    std::vector<ExtendedAttribute> xattrs;  // sorted by name; ACLs and capabilities are among them

    bool operator==(const Metadata&) const = default;
};

struct Entry;

// A file's bytes: inline, by runs, or by the root of a tree of extent nodes; a directory's entries:
// inline, or by the root of its tree of directory nodes.
struct NoContent {
    bool operator==(const NoContent&) const = default;
};
struct InlineContent {
    Bytes data;
    bool operator==(const InlineContent&) const = default;
};
struct RunContent {
    std::vector<Run> runs;
    bool operator==(const RunContent&) const = default;
};
struct ExtentTree {
    ChunkId root;
    bool operator==(const ExtentTree&) const = default;
};
struct InlineDirectory {
    std::vector<Entry> entries;
    bool operator==(const InlineDirectory&) const;
};
struct DirectoryTree {
    ChunkId root;
    bool operator==(const DirectoryTree&) const = default;
};
using Content = std::
    variant<NoContent, InlineContent, RunContent, ExtentTree, InlineDirectory, DirectoryTree>;

struct Entry {
    std::string name;  // bytes; never empty, ".", "..", and without '/' and NUL
    Metadata metadata;
    Content content;
    bool operator==(const Entry&) const = default;
};

inline bool InlineDirectory::operator==(const InlineDirectory& other) const {
    return entries == other.entries;
}

// A name that a directory may hold.
bool is_valid_name(std::string_view name);
// Of an extended attribute.
bool is_valid_attribute_name(std::string_view name);

// Content up to this size stands in the node itself.
inline constexpr std::size_t max_inline_bytes = 512;

}  // namespace holdfast
