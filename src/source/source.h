// The source seam: what is backed up, as a stream of entries in the order of a manifest.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "format/entry.h"

namespace holdfast {

// Where an entry was found, so that it can be opened later without its path.
class SourceDirectory {
  public:
    virtual ~SourceDirectory() = default;
    // Path relative to the source's root, for messages; empty for the root.
    virtual std::string path() const = 0;
};

enum class SourceEventKind : std::uint8_t {
    enter,    // a directory begins; its entries follow, sorted by name
    entry,    // anything else
    leave,    // the directory that was entered last ends
    problem,  // something could not be read; `problem` says what
};

struct SourceEvent {
    SourceEventKind kind = SourceEventKind::entry;
    std::string name;  // empty for the root
    // As far as it is known without opening the entry: no symlink target, and no xattrs but those that open() needs.
    Metadata metadata;
    std::shared_ptr<SourceDirectory> parent;
    std::string problem;
    bool is_sparse = false;  // a file with fewer blocks than bytes
};

// A stretch of a file's content.
struct SourceExtent {
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
    bool is_hole = false;
};

// The size of a stream, which nobody knows before it ends.
inline constexpr std::uint64_t stream_size = UINT64_MAX >> 2;

// An opened regular file, or a stream. For one thread.
class SourceFile {
  public:
    virtual ~SourceFile() = default;
    // Complete metadata as of now, xattrs included.
    virtual Result<Metadata> metadata() = 0;
    // Whether something changed since `seen` was looked at.
    virtual Result<bool> has_changed(const Metadata& seen) = 0;
    // Extended attributes only, where the rest is known from the walk.
    virtual Result<std::vector<ExtendedAttribute>> xattrs() = 0;
    // Data and holes that cover [0, bytes).
    virtual Result<std::vector<SourceExtent>> extents(std::uint64_t bytes) = 0;
    // Reads until `out` is full or the file ends.
    virtual Result<std::size_t> read(std::uint64_t offset, MutableByteSpan out) = 0;
};

// Events in batches. For one thread; a problem of one entry is an event, not an error.
class SourceStream {
  public:
    virtual ~SourceStream() = default;
    // Appends up to some hundred events; appends none at the end.
    virtual Status next(std::vector<SourceEvent>& batch) = 0;
};

// Thread-safe: entries of one stream are opened by several threads.
class Source {
  public:
    virtual ~Source() = default;
    // Streams know nothing of one another. The first event is the root: an enter, or an entry for a lone file.
    virtual Result<std::unique_ptr<SourceStream>> walk() = 0;
    virtual Result<std::unique_ptr<SourceFile>> open(const SourceEvent& event) = 0;
    // Adds xattrs and symlink target to what `metadata` holds of anything but a regular file.
    virtual Status complete(const SourceEvent& event, Metadata& metadata) = 0;
    // How many small files are worth to be opened before the one that is read: where open() begins a request and does
    // not wait for its answer, that many answers come at once.
    virtual std::size_t opens_ahead() const { return 0; }
};

}  // namespace holdfast
