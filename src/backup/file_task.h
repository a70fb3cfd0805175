// A file whose content has to be read.
#pragma once

#include <condition_variable>
#include <mutex>

#include "source/source.h"

namespace holdfast {

enum class FileOutcome : std::uint8_t {
    stored,
    stored_unstable,  // stored, but it changed each time it was read
    vanished,         // deleted before it was opened: as if it had never been there
    skipped,          // could not be read; `problem` says why
};

// Filled in by one reading thread; the tree's thread waits for it.
struct FileTask {
    SourceEvent event;
    std::shared_ptr<const Entry> previous;  // the same file in the previous version, or null

    Entry entry;  // complete once it is done
    FileOutcome outcome = FileOutcome::stored;
    std::string problem;

    void finish();
    void wait();
    bool is_done() const;

  private:
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    bool done_ = false;
};

}  // namespace holdfast
