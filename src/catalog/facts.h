// What was found in repositories: which restore points there are, and what is known of where they lie.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"

namespace holdfast {

struct PointFacts {
    std::string id;
    std::string host, name;  // its identity
    TimeNs time = 0;         // of the restore point
    std::string type;
    std::string origin;      // of a copy: the point that was copied first; empty: no copy
    std::uint64_t skipped = 0, content_bytes = 0;
    bool is_held = false;
    bool is_good = true;  // its record can be read, and nothing that it refers to is known to be lost
};

// What the last checks have said, of whatever machine.
struct CheckFacts {
    std::optional<TimeNs> checked;    // the last check
    std::optional<TimeNs> read_data;  // the last one that read data
    std::uint64_t problems = 0;       // that were found and that no later check has looked at again
    std::uint64_t data_bytes = 0, never_read_bytes = 0;
    std::optional<TimeNs> oldest_read;  // what was ever read was read since then
    std::uint64_t unprotected = 0;      // objects that were not locked

    // All data that there was at the last check that read some was read since then; nothing: some was never read.
    std::optional<TimeNs> all_read_since() const {
        if (!read_data || never_read_bytes != 0) return std::nullopt;
        return oldest_read ? oldest_read : read_data;
    }
};

enum class RecoveryKey : std::uint8_t {
    none,         // there is no recovery key
    unconfirmed,  // nobody has shown that he has it
    confirmed,
};

// One repository, under the name that the configuration has for it.
struct RepositoryFacts {
    std::string name;
    std::string url;                 // where it was found
    std::string id;                  // of the repository itself, whatever its name; empty: never seen
    std::optional<TimeNs> measured;  // when all this was found; nothing: never
    std::string error;               // why not now; empty: it could be measured at the last try
    std::optional<TimeNs> lock_period;
    bool is_governance = false;         // somebody with a special permission may lift its locks
    std::uint64_t lost_containers = 0;  // objects with data that restore points need, and that are not there
    bool is_replica = false;            // its objects were put by something that follows another bucket
    RecoveryKey recovery_key = RecoveryKey::none;
    CheckFacts check;
    std::vector<PointFacts> points;  // newest first
    // By (host, name): until when the storage keeps the newest good point, whoever asks for its removal.
    std::map<std::pair<std::string, std::string>, TimeNs> locked_until;

    bool is_known() const { return measured.has_value() && error.empty(); }
};

}  // namespace holdfast
