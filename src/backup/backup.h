// One source into one restore point.
#pragma once

#include <stop_token>

#include "base/progress.h"
#include "base/worker_pool.h"
#include "repository/compression.h"
#include "repository/repository.h"
#include "source/source.h"

namespace holdfast {

struct BackupOptions {
    std::string source_url;
    std::string host;
    std::string name;
    BackupType type = BackupType::incremental;
    std::optional<TimeNs> time;  // of the restore point; the clock's otherwise
    std::vector<std::string> tags;
    CompressionLevel compression = CompressionLevel::standard;
    std::string program;
    // Nothing is written: what would be read is counted.
    enum class Mode { store, dry_run } mode = Mode::store;
    // Where no previous restore point tells how much there is, another walk counts it for whoever
    // watches the progress.
    enum class Estimate { none, walk } estimate = Estimate::none;
    // Threads that read, and threads that compress.
    std::size_t threads = default_threads();
};

struct BackupReport {
    RestorePointId point{};  // zero for a dry run
    BackupType type = BackupType::full;
    bool is_partial = false;  // interrupted: the point is a parent for the next run only
    RestorePointStats stats;
    std::uint64_t stored_bytes = 0;
    // Of small files that did not change, stored again for the sake of restores; before compression.
    std::uint64_t again_files = 0, again_bytes = 0;
    std::vector<std::string> problems;  // the first 1,000, "path: what"
    std::uint64_t problem_count = 0;
};

// Errors: cancelled when `stop` asked for it before anything could be kept; those of storage and
// repository. Files that cannot be read are in the report, not errors. Thread-safe: any number of
// backups into one repository at once, in one process or several.
Result<BackupReport> run_backup(Repository& repository,
                                Source& source,
                                const BackupOptions& options,
                                Progress& progress,
                                std::stop_token stop);

}  // namespace holdfast
