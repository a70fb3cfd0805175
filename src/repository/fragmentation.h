// How scattered a restore point lies in its repository.
#pragma once

#include <stop_token>

#include "repository/repository.h"

namespace holdfast {

struct Fragmentation {
    std::uint64_t needed_bytes = 0;  // stored bytes of the chunks of data that the point refers to
    std::uint64_t reads = 0;         // stretches that they lie in: chunks of one container with less than 64 KiB between them
    std::uint64_t gap_bytes = 0;     // what is read between them
    std::uint64_t containers = 0;

    // How long it takes to read them, in percent of what it would take if they stood in order in full packs. A read costs
    // as much as the MiB that a disk passes by, or a connection carries, while it waits for it (10 ms, 100 MB/s).
    unsigned percent() const;
};

// Walks the tree, and asks the index where each chunk is. Reads metadata only, of that what the point does not share with
// itself. Memory: the marker's, and 16 MiB for the places (24 bytes each); what is more goes to a temporary file. Errors:
// corrupt when something of the tree is missing; cancelled.
Result<Fragmentation> measure_fragmentation(Repository& repository, const Entry& root, const std::stop_token& stop);

}  // namespace holdfast
