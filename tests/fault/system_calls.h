// What a program does to a directory, call by call, and calls that are made to fail.
//
// system_calls.cc defines libc's mutating functions itself: whoever links it has every change below one
// directory recorded or refused, whatever code makes it. Stores through shared mappings are no calls and are not
// seen: that is the cache's table of members, whose content is arbitrary after a crash.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace holdfast {

// A change, with all that is needed to make it again. Paths are below the recorded directory, which is "".
struct SystemCall {
    enum class Kind : std::uint8_t {
        create,          // a file `path`, empty
        make_directory,  // `path`
        write,           // `data` at `offset`
        resize,          // to `offset` bytes
        sync_file,
        sync_directory,  // `path`
        sync_all,
        rename,          // `path` to `target`
        exchange,        // what `path` names and what `target` names
        link,            // `target` is another name of `path`
        remove,          // a file or an empty directory
    };
    Kind kind{};
    std::string path, target;
    std::uint64_t file = 0;  // which one, whatever its name: of create, write, resize, sync_file
    std::uint64_t offset = 0;
    Bytes data;
};
using Trace = std::vector<SystemCall>;

std::string describe(const SystemCall& call);

// Which calls fail. A failing write of several bytes writes half of them first, as one that meets the end of the
// space does; the program asks for the rest, which fails.
struct Fault {
    std::size_t at = SIZE_MAX;  // the number of the call, from 0
    int error = 0;              // an errno; ENOSPC only of calls that may need space
    bool is_lasting = false;    // every later one fails as well; a write writes nothing then
    bool fails_reads = false;   // counts reads below the directory in place of changes
};

// Of the whole process; one recording at a time. Thread-safe: calls below the directory are made and recorded one
// after another.
class Recording {
  public:
    // `root` is an absolute path without links, and exists. Files that are there already have numbers, too: a killed
    // program may have left one that the next writes to.
    explicit Recording(const std::string& root, Fault fault = {});
    ~Recording();
    Recording(const Recording&) = delete;
    Recording& operator=(const Recording&) = delete;

    // Of the files that were there when it began, by their paths.
    using Files = std::map<std::string, std::uint64_t>;
    const Files& files_before() const { return files_before_; }
    std::size_t size() const;
    // From now on; counts calls from here.
    void set_fault(Fault fault);
    bool has_failed() const;
    // The call that failed first.
    std::string failed_call() const;
    // Ends the recording of calls.
    Trace take();

  private:
    Files files_before_;
};

// Opens of `path` (of /proc, say) get another file from now on; an empty one takes that back.
void replace_path(const std::string& path, const std::string& other);

}  // namespace holdfast
