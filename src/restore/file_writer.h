// Files on their way back: opened with their first piece, finished with their last.
#pragma once

#include <atomic>
#include <mutex>

#include "restore/restore.h"
#include "restore/target_directory.h"
#include "restore/whole_blocks.h"

namespace holdfast {

// One file that is being written (or compared). Its pieces may be done by several threads.
class FileWriter {
  public:
    enum class Purpose : std::uint8_t { write, compare };

    FileWriter(std::shared_ptr<TargetDirectory> directory,
               Entry entry,
               Overwrite overwrite,
               Purpose purpose)
        : directory_(std::move(directory)),
          entry_(std::move(entry)),
          overwrite_(overwrite),
          purpose_(purpose) {}

    const Entry& entry() const { return entry_; }
    std::string path() const { return directory_->path() + '/' + entry_.name; }

    // Whether the target has the file already, by size and time; `changed` leaves it alone then.
    bool is_present() const;
    // Metadata only, of a file that is there.
    Status apply_to_present();
    // Pieces still to come; one for the caller who counts them. Thread-safe.
    void expect(std::uint32_t pieces) { pieces_ += pieces; }
    // Writes content at an offset; returns the bytes that had to be written. Thread-safe.
    Result<std::uint64_t> data(std::uint64_t offset, ByteSpan content);
    // A hole or zeros.
    Status empty(RunKind kind, std::uint64_t offset, std::uint64_t bytes);
    // One piece is done. True when it was the last: the file is then completed, or given up.
    // Thread-safe.
    bool piece_done() { return --pieces_ == 0; }
    // Gives the file its size; when it is compared, checks that.
    Status complete_content();
    // Owner, mode, attributes and times; closes the file.
    Status complete_metadata();
    // Closes the file, and removes it if this restore made it: nobody shall take a part for the whole.
    void give_up();

    // A problem was reported: later pieces are dropped.
    bool fail() { return !failed_.exchange(true); }
    bool has_failed() const { return failed_; }

  private:
    Status open();
    Error differs(const std::string& how) const;
    Status open_existing();
    bool create();  // errno says why not
    Result<std::uint64_t> compare(std::uint64_t offset, ByteSpan content) const;

    const std::shared_ptr<TargetDirectory> directory_;
    const Entry entry_;
    const Overwrite overwrite_;
    const Purpose purpose_;
    std::atomic<std::uint32_t> pieces_{1};
    std::atomic<bool> failed_{false};
    std::mutex mutex_;  // guards opening
    std::mutex writing_;
    WholeBlocks blocks_;  // guarded by writing_ once the file is open
    UniqueFd fd_;
    std::uint64_t written_end_ = 0;  // of what has been written to a new file; guarded by writing_
    bool is_new_ = false;    // made here
    bool in_place_ = false;  // the file was there: what is equal is not written
};

}  // namespace holdfast
