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

struct CheckReport {
    std::uint64_t objects = 0;
    std::uint64_t chunks = 0;
    std::uint64_t points = 0;
    std::uint64_t nodes = 0;
    std::uint64_t read_bytes = 0;
    std::vector<std::string> problems;  // the first 1,000
    std::uint64_t problem_count = 0;
    // What a newer program has written, which this one cannot judge: no damage. The first 1,000.
    std::vector<std::string> newer;
    std::uint64_t newer_count = 0;
    std::vector<std::string> damaged_points;  // ids of the points that something is missing of
};

// Damage is in the report; errors are those that stop the check (unavailable storage, cancelled).
Result<CheckReport> run_check(Repository& repository,
                              CheckDepth depth,
                              std::size_t threads,
                              Progress& progress,
                              std::stop_token stop);

}  // namespace holdfast
