// A write-only client as the readers of a repository know it. docs/format.md#clients.
#pragma once

#include <vector>

#include "format/key_slot.h"

namespace holdfast {

// Stored when its key is made, and again when the key is removed.
struct ClientRecord {
    KeySlotId id;
    TimeNs time = 0;           // of the one or the other
    std::string label;
    std::string host;          // whose restore points it may make; empty: anybody's
    PublicKey verify_key{};    // of its signatures
    bool is_removed = false;
    // Of a removed one: those of its restore points that were there, and that no fragment had folded. Others are not
    // believed. Ascending.
    std::vector<RestorePointId> points;
    bool operator==(const ClientRecord&) const = default;
};
Bytes encode_client(const ClientRecord& record);
// Errors: corrupt.
Result<ClientRecord> decode_client(ByteSpan data);

}  // namespace holdfast
