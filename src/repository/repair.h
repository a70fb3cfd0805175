// Makes a damaged repository as whole as it can be. docs/format.md#repair.
#pragma once

#include <stop_token>

#include "base/progress.h"
#include "repository/leases.h"
#include "repository/repository.h"

namespace holdfast {

struct RepairOptions {
    bool dry_run = false;
    // A repository that shares this one's hash key: what is lost here and there is there is taken from it.
    Repository* from = nullptr;
    std::size_t threads = 2;
};

struct RepairReport {
    std::uint64_t objects = 0, read_bytes = 0;
    std::vector<std::string> mended;          // objects that are as they were written again
    std::vector<std::string> beyond_mending;  // objects that are not
    std::uint64_t frozen_objects = 0;         // of which nothing could be read: not judged
    std::uint64_t indexed_packs = 0;          // that no readable fragment named
    std::uint64_t salvaged_chunks = 0;        // read whole from objects beyond mending, and stored again
    std::uint64_t lost_chunks = 0;            // of such objects, and nowhere else in this repository
    std::uint64_t fetched_chunks = 0;         // taken from the other repository
    // What is still not whole: objects, and files with the names of their restore points.
    std::vector<std::string> problems;  // the first 1,000
    std::uint64_t problem_count = 0;
    std::vector<std::string> incomplete_points;  // ids
};

// Reads all objects and mends what parity, second copies, the tables of packs and the other repository can tell.
// What then is still lost is named, and the points that need it get a mark: no backup builds on them, so the
// next one reads its source whole and stores again what it still has of it; a later repair takes the mark away.
// A session with a lease, beside others. Whatever moment it is killed at, nothing is worse than before, and the
// next repair goes on. With dry_run nothing is written. Errors: permission_denied for a write-only key,
// invalid_argument for a `from` that does not share the hash key, cancelled, of the storage.
Result<RepairReport> run_repair(Repository& repository,
                                const RepairOptions& options,
                                const WriterIdentity& identity,
                                Progress& progress,
                                std::stop_token stop);

}  // namespace holdfast
