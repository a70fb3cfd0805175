#include "format/lease.h"

namespace holdfast {
namespace {

Error bad(const char* what) {
    return {ErrorCode::corrupt, std::string("damaged ") + what};
}

}  // namespace

Bytes encode_lease(const LeaseRecord& record) {
    Bytes data;
    ByteWriter out(data);
    out.bytes(record.session.bytes);
    out.u32(record.renewal);
    out.u64(static_cast<std::uint64_t>(record.started));
    out.u64(static_cast<std::uint64_t>(record.renewed));
    out.sized_text(record.host);
    out.sized_text(record.machine_id);
    out.sized_text(record.boot_id);
    out.u64(record.process);
    out.u64(record.process_started);
    return data;
}

Result<LeaseRecord> decode_lease(ByteSpan data) {
    ByteReader in(data);
    LeaseRecord record;
    record.session.bytes = in.array<8>();
    record.renewal = in.u32();
    record.started = static_cast<TimeNs>(in.u64());
    record.renewed = static_cast<TimeNs>(in.u64());
    record.host = in.sized_text(4096);
    record.machine_id = in.sized_text(4096);
    record.boot_id = in.sized_text(4096);
    record.process = in.u64();
    record.process_started = in.u64();
    if (!in.complete()) return bad("lease");
    return record;
}

Bytes encode_fence(const FenceRecord& record) {
    Bytes data;
    ByteWriter out(data);
    out.bytes(record.session.bytes);
    out.u64(static_cast<std::uint64_t>(record.time));
    return data;
}

Result<FenceRecord> decode_fence(ByteSpan data) {
    ByteReader in(data);
    FenceRecord record;
    record.session.bytes = in.array<8>();
    record.time = static_cast<TimeNs>(in.u64());
    if (!in.complete()) return bad("fence");
    return record;
}

Bytes encode_tombstone(const TombstoneRecord& record) {
    Bytes data;
    ByteWriter out(data);
    out.u64(static_cast<std::uint64_t>(record.time));
    out.varint(record.objects.size());
    for (const ObjectId& id : record.objects) out.bytes(id.bytes);
    out.varint(record.chunks.size());
    for (const ChunkId& id : record.chunks) out.bytes(id.bytes);
    out.u8(record.knows_sessions ? 1 : 0);
    out.varint(record.sessions.size());
    for (const SessionId& id : record.sessions) out.bytes(id.bytes);
    return data;
}

Result<TombstoneRecord> decode_tombstone(ByteSpan data) {
    ByteReader in(data);
    TombstoneRecord record;
    record.time = static_cast<TimeNs>(in.u64());
    record.objects.resize(static_cast<std::size_t>(in.varint_at_most(in.remaining() / 16)));
    for (ObjectId& id : record.objects) id.bytes = in.array<16>();
    record.chunks.resize(static_cast<std::size_t>(in.varint_at_most(in.remaining() / 32)));
    for (ChunkId& id : record.chunks) id.bytes = in.array<32>();
    const std::uint8_t flags = in.u8();
    record.knows_sessions = flags == 1;
    record.sessions.resize(static_cast<std::size_t>(in.varint_at_most(in.remaining() / 8)));
    for (SessionId& id : record.sessions) id.bytes = in.array<8>();
    if (!in.complete() || flags > 1 || (flags == 0 && !record.sessions.empty()))
        return bad("tombstone");
    return record;
}

Bytes encode_mark(const MarkRecord& record) {
    Bytes data;
    ByteWriter out(data);
    out.u8(static_cast<std::uint8_t>(record.kind));
    out.bytes(record.point.bytes);
    out.u64(static_cast<std::uint64_t>(record.time));
    out.sized_text(record.reason);
    return data;
}

Result<MarkRecord> decode_mark(ByteSpan data) {
    ByteReader in(data);
    MarkRecord record;
    const std::uint8_t kind = in.u8();
    record.point.bytes = in.array<16>();
    record.time = static_cast<TimeNs>(in.u64());
    record.reason = in.sized_text(65536);
    if (!in.complete() || kind < 1 || kind > 4) return bad("mark");
    record.kind = static_cast<MarkKind>(kind);
    return record;
}

}  // namespace holdfast
