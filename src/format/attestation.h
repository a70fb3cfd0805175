// What somebody who can read a repository has found of it. docs/format.md#attestations.
#pragma once

#include <optional>

#include "base/clock.h"
#include "base/result.h"
#include "format/ids.h"

namespace holdfast {

// The numbers are stored.
enum class AttestationKind : std::uint8_t {
    recovery_key = 1,  // somebody has typed the recovery key, and it opens the repository
    check = 2,         // a check went through, whatever it found
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
    // Objects that were to be locked and were not; nothing: it did not look.
    std::optional<std::uint64_t> unprotected;

    bool operator==(const AttestationRecord&) const = default;
};
Bytes encode_attestation(const AttestationRecord& record);
Result<AttestationRecord> decode_attestation(ByteSpan data);

}  // namespace holdfast
