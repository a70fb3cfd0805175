// What somebody who can read a repository has found of it. docs/format.md#attestations.
#pragma once

#include <optional>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "format/ids.h"

namespace holdfast {

// The numbers are stored.
enum class AttestationKind : std::uint8_t {
    recovery_key = 1,  // somebody has typed the recovery key, and it opens the repository
    check = 2,         // a check went through, whatever it found
    locks = 3,         // all locks were asked for
};

struct AttestationRecord {
    AttestationKind kind = AttestationKind::check;
    TimeNs time = 0;
    std::string host;  // where that was

    KeySlotId slot{};  // of a recovery key

    // Of a check. What it read of the data is what all checks of that machine have read.
    bool has_read_data = false;
    std::uint64_t problems = 0;
    std::uint64_t data_bytes = 0, never_read_bytes = 0;
    std::optional<TimeNs> oldest_read;  // all that was ever read was read since then
    std::vector<RestorePointId> damaged_points;  // that something is missing of; the first most_damaged_points
    static constexpr std::size_t most_damaged_points = 1000;

    // Of locks: objects that were to be locked and were not.
    std::uint64_t unprotected = 0;

    // Whether what was found then was looked at again since: of a check that read data only by having read all of it.
    bool covers(const AttestationRecord& earlier) const;

    bool operator==(const AttestationRecord&) const = default;
};
Bytes encode_attestation(const AttestationRecord& record);
Result<AttestationRecord> decode_attestation(ByteSpan data);

}  // namespace holdfast
