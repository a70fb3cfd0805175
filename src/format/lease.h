// A writer's lease, and the small objects of the pruning protocol. docs/format.md#leases.
#pragma once

#include "base/clock.h"
#include "base/result.h"
#include "format/ids.h"

namespace holdfast {

// Says that a session writes. Packs carry the session's id in their names, so what an interrupted
// session left is found from its lease alone.
struct LeaseRecord {
    SessionId session{};
    std::uint32_t renewal = 0;  // each renewal is an object of its own, with the next number
    TimeNs started = 0;
    TimeNs renewed = 0;
    std::string host;
    std::string machine_id;
    std::string boot_id;
    std::uint64_t process = 0;
    std::uint64_t process_started = 0;  // clock ticks after boot: a process id is used again
    bool operator==(const LeaseRecord&) const = default;
};
Bytes encode_lease(const LeaseRecord& record);
Result<LeaseRecord> decode_lease(ByteSpan data);

// Written by the pruner for a lease that it holds expired. A writer that finds one for its own
// session after its commit verifies what it references before it acknowledges.
struct FenceRecord {
    SessionId session{};
    TimeNs time = 0;
    bool operator==(const FenceRecord&) const = default;
};
Bytes encode_fence(const FenceRecord& record);
Result<FenceRecord> decode_fence(ByteSpan data);

// Containers and chunks condemned by the pruner: never deduplicated against, deleted after a
// second mark.
struct TombstoneRecord {
    TimeNs time = 0;
    std::vector<ObjectId> objects;
    std::vector<ChunkId> chunks;
    // The sessions that had a lease after the tombstone was there, once they are known.
    bool knows_sessions = false;
    std::vector<SessionId> sessions;
    bool operator==(const TombstoneRecord&) const = default;
};
Bytes encode_tombstone(const TombstoneRecord& record);
Result<TombstoneRecord> decode_tombstone(ByteSpan data);

// The numbers are stored.
enum class MarkKind : std::uint8_t {
    deleted = 1,
    held = 2,
    verified = 3,  // of a point whose session was fenced: all that it refers to is there
    incomplete = 4,  // something that it refers to was lost: nobody builds on it
};

// What was said of a restore point after it was written.
struct MarkRecord {
    MarkKind kind = MarkKind::deleted;
    RestorePointId point{};
    TimeNs time = 0;
    std::string reason;
    bool operator==(const MarkRecord&) const = default;
};
Bytes encode_mark(const MarkRecord& record);
Result<MarkRecord> decode_mark(ByteSpan data);

}  // namespace holdfast
