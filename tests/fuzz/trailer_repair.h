// Puts the checksums right that a fuzzer cannot guess. Offsets are those of
// docs/format.md#envelope, counted from the trailer's start.
#pragma once

#include <algorithm>

#include "format/envelope.h"

namespace holdfast {

inline constexpr std::size_t trailer_body_bytes_at = 0, trailer_body_hash_at = 16,
                             trailer_extra_bytes_at = 56, trailer_header_bytes_at = 64,
                             trailer_check_at = 68, trailer_magic_at = 76;

// The fixed part at the end of `object`, which is at least that long.
inline MutableByteSpan trailer_of(Bytes& object) {
    return MutableByteSpan(object).last(EnvelopeTrailer::fixed_bytes);
}

// The length of the repeated header as the trailer has it, made to fit into `object`.
inline std::uint32_t repair_header_bytes(Bytes& object) {
    const MutableByteSpan trailer = trailer_of(object);
    std::uint32_t bytes = ByteReader(trailer.subspan(trailer_header_bytes_at)).u32();
    bytes = std::min(bytes, static_cast<std::uint32_t>(object.size() - trailer.size()));
    for (std::size_t i = 0; i < 4; ++i)
        trailer[trailer_header_bytes_at + i] = static_cast<std::uint8_t>(bytes >> (8 * i));
    return bytes;
}

// Magic and checksum of the tail. Last: it covers everything else.
inline void repair_tail_check(Bytes& object) {
    const std::size_t header_bytes = repair_header_bytes(object);
    const MutableByteSpan trailer = trailer_of(object);
    const ByteSpan tail = ByteSpan(object).last(header_bytes + trailer.size());
    const Digest check = plain_hash(tail.first(header_bytes + trailer_check_at));
    std::copy_n(check.bytes.begin(), 4, trailer.begin() + trailer_check_at);
    const std::string_view magic = "HFTE";
    std::copy(magic.begin(), magic.end(), trailer.begin() + trailer_magic_at);
}

// The hash of the body, if the body fits into `object`.
inline void repair_body_hash(Bytes& object) {
    const MutableByteSpan trailer = trailer_of(object);
    const std::uint64_t body = ByteReader(trailer.subspan(trailer_body_bytes_at)).u64();
    if (body > object.size()) return;
    const Digest hash = plain_hash(ByteSpan(object).first(static_cast<std::size_t>(body)));
    std::copy(hash.bytes.begin(), hash.bytes.end(), trailer.begin() + trailer_body_hash_at);
}

}  // namespace holdfast
