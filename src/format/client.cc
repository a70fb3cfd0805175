#include "format/client.h"

namespace holdfast {
namespace {

constexpr std::uint64_t max_text_bytes = 4096;
constexpr std::uint8_t flag_removed = 1;

}  // namespace

Bytes encode_client(const ClientRecord& record) {
    Bytes data;
    ByteWriter out(data);
    out.bytes(record.id.bytes);
    out.u64(static_cast<std::uint64_t>(record.time));
    out.sized_text(record.label);
    out.sized_text(record.host);
    out.bytes(record.verify_key);
    out.u8(record.is_removed ? flag_removed : 0);
    out.varint(record.points.size());
    for (const RestorePointId& point : record.points) out.bytes(point.bytes);
    return data;
}

Result<ClientRecord> decode_client(ByteSpan data) {
    ByteReader in(data);
    ClientRecord record;
    record.id.bytes = in.array<16>();
    record.time = static_cast<TimeNs>(in.u64());
    record.label = in.sized_text(max_text_bytes);
    record.host = in.sized_text(max_text_bytes);
    record.verify_key = in.array<32>();
    const std::uint8_t flags = in.u8();
    if (flags > flag_removed) in.fail();
    record.is_removed = flags == flag_removed;
    const std::uint64_t count = in.varint_at_most(in.remaining() / RestorePointId::size);
    for (std::uint64_t i = 0; i < count && in.ok(); ++i) {
        record.points.push_back({in.array<16>()});
        if (i > 0 && !(record.points[i - 1] < record.points[i])) in.fail();
    }
    if (!in.complete()) return Error(ErrorCode::corrupt, "damaged client");
    return record;
}

}  // namespace holdfast
