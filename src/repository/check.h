// Whether a repository is whole.
#pragma once

#include <stop_token>

#include "base/progress.h"
#include "repository/repository.h"

namespace holdfast {

enum class CheckDepth : std::uint8_t {
    structure,  // every object is there and of its size, every table, node and reference holds
    data,       // and every stored byte is read, unsealed and compared with its hash
};

// How much data a check of that depth reads: all of it, or containers until one of these is reached, beginning
// with what was never read, then with what was read the longest time ago.
struct ReadBudget {
    std::uint64_t percent = 100;  // of the containers' bytes
    std::uint64_t bytes = UINT64_MAX;
    TimeNs time = INT64_MAX;
};

struct CheckOptions {
    CheckDepth depth = CheckDepth::structure;
    ReadBudget budget;
    std::size_t threads = 2;
    // Told of each chunk, and part of it, that a restore point refers to and that cannot be had. May be empty.
    std::function<void(const ChunkId&, const ChunkRange&)> on_missing{};
};

struct CheckReport {
    std::uint64_t objects = 0;
    std::uint64_t chunks = 0;
    std::uint64_t points = 0;
    std::uint64_t nodes = 0;
    std::uint64_t read_bytes = 0;
    // What the data of this repository is after all checks of this machine (of depth data).
    std::uint64_t data_bytes = 0, never_read_bytes = 0;
    std::optional<TimeNs> oldest_read;  // all that was ever read was read since then
    std::vector<std::string> problems;  // the first 1,000
    std::uint64_t problem_count = 0;
    // What a newer program has written, which this one cannot judge: no damage. The first 1,000.
    std::vector<std::string> newer;
    std::uint64_t newer_count = 0;
    std::vector<std::string> damaged_points;  // ids of the points that something is missing of
    // Packs that are there with their size, and could not be read, as they are frozen: no damage.
    std::uint64_t frozen_packs = 0, frozen_bytes = 0;
};

// Damage is in the report; errors are those that stop the check (unavailable storage, cancelled).
Result<CheckReport> run_check(Repository& repository,
                              const CheckOptions& options,
                              Progress& progress,
                              std::stop_token stop);

}  // namespace holdfast
