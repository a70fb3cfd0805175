// What is known of a configured source from its last run, and that only one run works on it.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "policy/source_state.h"

namespace holdfast {

struct SourceRecord {
    SourceState state = SourceState::unknown;
    TimeNs since = 0;     // when it came into this state
    TimeNs last_run = 0;
    std::optional<TimeNs> last_success;  // of the last restore point
    std::string restore_point;           // that one
    std::string host, name;              // its identity
    std::optional<TimeNs> last_full;     // time of the last restore point that was a full, or a synthetic one
    std::string error;                   // of a state that is not done
    // By notification and way ("admin mail"), the state that was told at last.
    std::map<std::string, SourceState> told;
};

// A record that is not there, or not readable, is an unknown one.
SourceRecord read_source_record(const std::string& directory, const std::string& source);
// Atomic, and durable on return.
Status write_source_record(const std::string& directory, const std::string& source, const SourceRecord& record);

// Held while a run works on a source; it goes with the process. Errors: conflict when another run has it.
Result<UniqueFd> lock_source(const std::string& directory, const std::string& source);

// The same for anything that has a name: "another run works on the `what` 'NAME'".
Result<UniqueFd> lock_named(const std::string& directory, const std::string& name, const std::string& what);

}  // namespace holdfast
