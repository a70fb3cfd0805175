// A file whose content has to be read.
#pragma once

#include <atomic>
#include <optional>

#include "source/source.h"

namespace holdfast {

enum class FileOutcome : std::uint8_t {
    stored,
    unstable,  // it changed each time it was read: its previous version is kept
    vanished,  // deleted before it was opened: as if it had never been there
    skipped,   // could not be read; `problem` says why
};

// Filled in by one reading thread; the tree's thread waits for it.
struct FileTask {
    SourceEvent event;
    std::shared_ptr<const Entry> previous;  // the same file in the previous version, or null
    // It did not change, and is to leave the chunk that its previous version is in.
    bool is_again = false;

    // Opened before its turn: Source::opens_ahead().
    std::optional<Result<std::unique_ptr<SourceFile>>> opened;

    Entry entry;  // complete once it is done
    FileOutcome outcome = FileOutcome::stored;
    std::string problem;
    bool is_in_group = false;  // stored in a new chunk, with other small files

    bool leaves(const ChunkId& chunk) const {
        return is_again && std::get<RunContent>(previous->content).runs.at(0).chunk == chunk;
    }
    bool is_stored() const { return outcome == FileOutcome::stored; }
    // What the restore point gets of a file that is done; null: nothing.
    const Entry* kept() const {
        if (is_stored()) return &entry;
        return outcome == FileOutcome::unstable ? previous.get() : nullptr;
    }
    // By the reading thread: first that it is done, then who waits is woken.
    void mark_done() { done_.store(true, std::memory_order_release); }
    void wake() { done_.notify_all(); }
    // By the tree's thread.
    void wait() const { done_.wait(false, std::memory_order_acquire); }
    bool is_done() const { return done_.load(std::memory_order_acquire); }

  private:
    std::atomic<bool> done_{false};
};

}  // namespace holdfast
