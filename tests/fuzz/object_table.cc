// Input: the table of an object.
#include "format/index_fragment.h"
#include "targets.h"

namespace holdfast {

void fuzz_object_table(ByteSpan input) {
    const auto table = decode_table(input);
    if (!table.ok()) return;
    std::uint64_t stored_bytes = 0;
    for (const StoredChunk& chunk : table->chunks) {
        HF_CHECK(chunk.raw_bytes > 0 && chunk.raw_bytes <= max_chunk_bytes);
        HF_CHECK(chunk.frame_bytes.size() == frame_count_of(chunk.raw_bytes, chunk.frame_log2));
        stored_bytes += chunk.stored_bytes();
    }
    Bytes encoded;
    ByteWriter out(encoded);
    encode_table(*table, out);
    HF_CHECK(decode_table(encoded).value() == *table);
    const auto locations = locations_of(*table, EnvelopeHeader{}, 0);
    HF_CHECK(locations.size() == table->chunks.size());
    if (locations.empty()) return;
    HF_CHECK(locations.back().offset + table->chunks.back().stored_bytes() ==
             EnvelopeHeader{}.encoded_bytes() + stored_bytes);
}

}  // namespace holdfast
