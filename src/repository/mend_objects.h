// Writes damaged objects as they were, from their parity or their second copy. Needs no key.
#pragma once

#include <set>
#include <stop_token>
#include <string>

#include "base/progress.h"
#include "format/ids.h"
#include "storage/storage.h"

namespace holdfast {

struct MendReport {
    std::uint64_t objects = 0, read_bytes = 0;
    std::vector<std::string> mended;  // names
    // Damaged, and neither parity nor a second copy helps; or under a name that is not theirs.
    std::set<std::string> beyond_mending;
    std::uint64_t frozen = 0;  // that could not be read, and are no less whole for it
};

// Reads every stored object of `repository`, and mends those that are not as they were written; with
// `dry_run` only says what it would do. An object that takes another's place is the same to the last byte, and
// proven by its checksum before; whoever reads or writes meanwhile is not disturbed. Leases are left alone.
// What a newer program has written is left as it is. Errors: of the storage; cancelled.
Result<MendReport> mend_objects(Storage& storage,
                                const RepositoryId& repository,
                                bool dry_run,
                                Progress& progress,
                                const std::stop_token& stop);

}  // namespace holdfast
