#include "format/attestation.h"

namespace holdfast {
namespace {

constexpr std::uint8_t has_read_data_flag = 1, has_oldest_read_flag = 2, all_flags = 3;

void encode_check(const AttestationRecord& record, ByteWriter& out) {
    out.u8(static_cast<std::uint8_t>((record.has_read_data ? has_read_data_flag : 0) |
                                     (record.oldest_read ? has_oldest_read_flag : 0)));
    out.varint(record.problems);
    out.varint(record.data_bytes);
    out.varint(record.never_read_bytes);
    if (record.oldest_read) out.u64(static_cast<std::uint64_t>(*record.oldest_read));
    out.varint(record.damaged_points.size());
    for (const RestorePointId& id : record.damaged_points) out.bytes(id.bytes);
}

bool decode_check(ByteReader& in, AttestationRecord& record) {
    const std::uint8_t flags = in.u8();
    record.has_read_data = (flags & has_read_data_flag) != 0;
    record.problems = in.varint();
    record.data_bytes = in.varint();
    record.never_read_bytes = in.varint();
    if ((flags & has_oldest_read_flag) != 0) record.oldest_read = static_cast<TimeNs>(in.u64());
    record.damaged_points.resize(static_cast<std::size_t>(in.varint_at_most(AttestationRecord::most_damaged_points)));
    for (RestorePointId& id : record.damaged_points) id.bytes = in.array<16>();
    return (flags & ~all_flags) == 0 && record.never_read_bytes <= record.data_bytes;
}

}  // namespace

Bytes encode_attestation(const AttestationRecord& record) {
    Bytes data;
    ByteWriter out(data);
    out.u8(static_cast<std::uint8_t>(record.kind));
    out.u64(static_cast<std::uint64_t>(record.time));
    out.sized_text(record.host);
    switch (record.kind) {
        case AttestationKind::recovery_key: out.bytes(record.slot.bytes); break;
        case AttestationKind::check: encode_check(record, out); break;
        case AttestationKind::locks: out.varint(record.unprotected); break;
    }
    return data;
}

Result<AttestationRecord> decode_attestation(ByteSpan data) {
    ByteReader in(data);
    AttestationRecord record;
    const std::uint8_t kind = in.u8();
    record.time = static_cast<TimeNs>(in.u64());
    record.host = in.sized_text(4096);
    // A newer program may attest what this one does not know.
    if (kind > static_cast<std::uint8_t>(AttestationKind::locks) && in.ok())
        return Error(ErrorCode::unsupported, "an attestation of kind " + std::to_string(kind));
    record.kind = static_cast<AttestationKind>(kind);
    bool is_right = kind != 0;
    if (record.kind == AttestationKind::recovery_key) record.slot.bytes = in.array<16>();
    if (record.kind == AttestationKind::check) is_right = decode_check(in, record);
    if (record.kind == AttestationKind::locks) record.unprotected = in.varint();
    if (!in.complete() || !is_right) return Error(ErrorCode::corrupt, "damaged attestation");
    return record;
}

bool AttestationRecord::covers(const AttestationRecord& earlier) const {
    if (kind != earlier.kind || slot != earlier.slot || time < earlier.time) return false;
    if (kind != AttestationKind::check || !earlier.has_read_data) return true;
    const bool has_read_all = has_read_data && never_read_bytes == 0;
    return has_read_all && (!oldest_read || *oldest_read > earlier.time);
}

}  // namespace holdfast
