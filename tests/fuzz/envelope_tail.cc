// Input: the object's size (8 bytes), then its tail; as it is, and with its checksum put right.
#include "targets.h"
#include "trailer_repair.h"

namespace holdfast {
namespace {

void check_tail(ByteSpan tail, std::uint64_t object_bytes) {
    const auto trailer = decode_tail(tail, object_bytes);
    if (!trailer.ok()) return;
    HF_CHECK(trailer->body_bytes <= object_bytes);
    HF_CHECK(trailer->extra_bytes <= object_bytes - trailer->body_bytes);
    HF_CHECK(trailer->table_bytes <= trailer->body_bytes && trailer->frame_count != 0);
    // What is written again has a check that holds, and then more has to be right.
    if (!trailer->check_holds) return;
    Bytes encoded;
    ByteWriter out(encoded);
    encode_tail(*trailer, out);
    const auto again =
        decode_tail(encoded, trailer->body_bytes + trailer->extra_bytes + encoded.size());
    HF_CHECK(again.ok());
    HF_CHECK(again->header == trailer->header && again->parity == trailer->parity);
    HF_CHECK(again->body_bytes == trailer->body_bytes &&
             again->table_bytes == trailer->table_bytes &&
             again->frame_count == trailer->frame_count && again->body_hash == trailer->body_hash &&
             again->extra_bytes == trailer->extra_bytes &&
             again->reserved == trailer->reserved);
}

}  // namespace

void fuzz_envelope_tail(ByteSpan input) {
    ByteReader in(input);
    // No storage has objects of more than 2^63 bytes.
    const std::uint64_t object_bytes = in.u64() >> 1;
    Bytes tail(input.begin() + static_cast<std::ptrdiff_t>(in.position()), input.end());
    check_tail(tail, object_bytes);
    if (tail.size() < EnvelopeTrailer::fixed_bytes) return;
    const std::uint64_t tail_bytes = repair_header_bytes(tail) + EnvelopeTrailer::fixed_bytes;
    repair_tail_check(tail);
    check_tail(tail, object_bytes);
    ByteReader trailer(trailer_of(tail));
    const std::uint64_t body_bytes = trailer.u64();
    ByteReader extra(trailer_of(tail).subspan(trailer_extra_bytes_at));
    check_tail(tail, (body_bytes + extra.u64() + tail_bytes) & INT64_MAX);
}

}  // namespace holdfast
