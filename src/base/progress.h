// What a running backup or restore has done so far, for whoever shows it.
#pragma once

#include <atomic>
#include <cstdint>

namespace holdfast {

// Counters only grow; any thread may read them at any time.
struct Progress {
    std::atomic<std::uint64_t> entries{0};      // walked or restored
    std::atomic<std::uint64_t> files{0};
    std::atomic<std::uint64_t> bytes{0};        // of content dealt with
    std::atomic<std::uint64_t> read_bytes{0};   // of content read from the source
    std::atomic<std::uint64_t> stored_bytes{0};  // new in the repository
    std::atomic<std::uint64_t> total_files{0};  // 0: not known
    std::atomic<std::uint64_t> total_bytes{0};
    std::atomic<std::uint64_t> problems{0};
    std::atomic<std::uint64_t> frozen_packs{0};  // that are waited for; the one that does not only grow
};

}  // namespace holdfast
