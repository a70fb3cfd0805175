// Input: the chunk's raw size (4 bytes), then the first frame's plaintext.
#include "format/chunk.h"
#include "targets.h"

namespace holdfast {

void fuzz_chunk_header(ByteSpan input) {
    ByteReader in(input);
    const std::uint32_t raw_bytes = in.u32() % (max_chunk_bytes + 1);
    const auto header = decode_chunk_header(in, raw_bytes);
    if (!header.ok()) return;
    const std::size_t count = header->members.count(raw_bytes);
    HF_CHECK(count > 0 || raw_bytes == 0);
    std::uint64_t sum = 0;
    // A chunk of many small members takes its time: the first ones do.
    const std::size_t shown = std::min<std::size_t>(count, 1024);
    for (std::size_t i = 0; i < shown; ++i) sum += header->members.length(i, raw_bytes);
    HF_CHECK(shown < count ? sum <= raw_bytes : sum == raw_bytes);
    for (const auto& [index, hash] : header->absent) HF_CHECK(index < count);
    Bytes encoded;
    ByteWriter out(encoded);
    encode_chunk_header(*header, out);
    ByteReader again(encoded);
    HF_CHECK(decode_chunk_header(again, raw_bytes).value() == *header && again.complete());
}

}  // namespace holdfast
