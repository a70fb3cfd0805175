// A restore point, or a part of it, back into a file system.
#pragma once

#include <functional>
#include <stop_token>

#include "base/progress.h"
#include "base/worker_pool.h"
#include "format/entry.h"
#include "repository/repository.h"
#include "restore/kept_places.h"

namespace holdfast {

// What happens to files that are in the target already.
enum class Overwrite : std::uint8_t {
    never,    // an existing target must be empty
    changed,  // what has another size or time is written, and of it only the bytes that differ
    always,
};
enum class Extras : std::uint8_t { keep, remove };
enum class Verification : std::uint8_t { none, read_back };

// A directory above the target, as the restore point has it.
struct ParentDirectory {
    std::string path;
    Metadata metadata;
};

struct RestoreOptions {
    std::string target;  // a directory; a lone file is placed in it
    // Outermost first, without gaps; for a lone file the target is the last. Those that are missing are
    // made, and get their metadata; the others stay as they are.
    std::vector<ParentDirectory> parents;
    KeptPlaces kept;     // neither entered, nor written to, nor removed
    Overwrite overwrite = Overwrite::never;
    Extras extras = Extras::keep;
    Verification verification = Verification::none;
    enum class Mode { write, dry_run } mode = Mode::write;
    // In a dry run: told of each file whose content would be read. May be empty.
    std::function<Status(const Entry&)> on_content{};
    // One more than compute, as each waits for the disk now and then.
    std::size_t threads = default_threads() + 1;
};

struct RestoreReport {
    // What has been restored; of a file, all of its content. What could not be is a problem.
    std::uint64_t files = 0;
    std::uint64_t directories = 0;
    std::uint64_t others = 0;
    std::uint64_t bytes = 0;          // of the contents of all files
    std::uint64_t written_bytes = 0;
    std::uint64_t unchanged_files = 0;
    std::uint64_t removed = 0;
    std::vector<std::string> removed_paths;  // the first 1,000
    std::uint64_t verified_bytes = 0;
    std::vector<std::string> problems;  // the first 1,000
    std::uint64_t problem_count = 0;
    bool found_damage = false;  // one of the problems is damage in the repository
};

// Restores `entry` (the root of a point, a directory or a file in it). Durable when it returns.
// Errors: already_exists when the target is not empty and nothing may be overwritten; cancelled;
// corrupt, not_found and frozen of the repository; out_of_space. Problems of single files are in the report.
Result<RestoreReport> run_restore(Repository& repository,
                                  const Entry& entry,
                                  const RestoreOptions& options,
                                  Progress& progress,
                                  std::stop_token stop);

}  // namespace holdfast
