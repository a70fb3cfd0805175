#include "format/attestation.h"

namespace holdfast {
namespace {

constexpr std::uint8_t has_read_data_flag = 1, has_oldest_read_flag = 2, has_unprotected_flag = 4, all_flags = 7;

}  // namespace

Bytes encode_attestation(const AttestationRecord& record) {
    Bytes data;
    ByteWriter out(data);
    out.u8(static_cast<std::uint8_t>(record.kind));
    out.u64(static_cast<std::uint64_t>(record.time));
    out.sized_text(record.host);
    if (record.kind == AttestationKind::recovery_key) {
        out.bytes(record.slot.bytes);
        return data;
    }
    out.u8(static_cast<std::uint8_t>((record.has_read_data ? has_read_data_flag : 0) |
                                     (record.oldest_read ? has_oldest_read_flag : 0) |
                                     (record.unprotected ? has_unprotected_flag : 0)));
    out.varint(record.problems);
    out.varint(record.data_bytes);
    out.varint(record.never_read_bytes);
    if (record.oldest_read) out.u64(static_cast<std::uint64_t>(*record.oldest_read));
    if (record.unprotected) out.varint(*record.unprotected);
    return data;
}

Result<AttestationRecord> decode_attestation(ByteSpan data) {
    const Error bad(ErrorCode::corrupt, "damaged attestation");
    ByteReader in(data);
    AttestationRecord record;
    const std::uint8_t kind = in.u8();
    record.time = static_cast<TimeNs>(in.u64());
    record.host = in.sized_text(4096);
    if (kind == static_cast<std::uint8_t>(AttestationKind::recovery_key)) {
        record.kind = AttestationKind::recovery_key;
        record.slot.bytes = in.array<16>();
        if (!in.complete()) return bad;
        return record;
    }
    // A newer program may attest what this one does not know.
    if (kind > static_cast<std::uint8_t>(AttestationKind::check) && in.ok())
        return Error(ErrorCode::unsupported, "an attestation of kind " + std::to_string(kind));
    const std::uint8_t flags = in.u8();
    record.has_read_data = (flags & has_read_data_flag) != 0;
    record.problems = in.varint();
    record.data_bytes = in.varint();
    record.never_read_bytes = in.varint();
    if ((flags & has_oldest_read_flag) != 0) record.oldest_read = static_cast<TimeNs>(in.u64());
    if ((flags & has_unprotected_flag) != 0) record.unprotected = in.varint();
    if (!in.complete() || kind != static_cast<std::uint8_t>(AttestationKind::check) || (flags & ~all_flags) != 0 ||
        record.never_read_bytes > record.data_bytes)
        return bad;
    return record;
}

}  // namespace holdfast
