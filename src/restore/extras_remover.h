// Removes from a directory what the restore point does not have (`restore --delete`).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "repository/chunk_reader.h"
#include "restore/target_directory.h"

namespace holdfast {

// For one thread. Memory: one directory's names (base/string_sorter.h).
class ExtrasRemover {
  public:
    enum class Mode {
        remove,
        count,  // nothing is removed; what would be is counted
    };
    // What could not be removed is told to `problem`.
    ExtrasRemover(ChunkReader& chunks, Mode mode, std::function<void(const Error&)> problem)
        : chunks_(chunks), mode_(mode), problem_(std::move(problem)) {}

    // Removes all entries of `directory` that `entry` does not have, with all below them; what a
    // restore keeps stays, and so does what is mounted. Errors: of listing and of the repository.
    Status run(const std::shared_ptr<TargetDirectory>& directory, const Entry& entry);
    std::uint64_t removed() const { return removed_; }
    // The first 1,000 of them.
    const std::vector<std::string>& removed_paths() const { return removed_paths_; }

  private:
    Status remove(const std::shared_ptr<TargetDirectory>& directory, const std::string& name);
    Status remove_around_kept(const std::shared_ptr<TargetDirectory>& directory,
                              const std::string& name);

    ChunkReader& chunks_;
    const Mode mode_;
    const std::function<void(const Error&)> problem_;
    std::uint64_t removed_ = 0;
    std::vector<std::string> removed_paths_;
};

}  // namespace holdfast
