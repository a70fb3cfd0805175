// Input: an extent leaf.
#include "format/envelope.h"
#include "format/node.h"
#include "targets.h"

namespace holdfast {

void fuzz_extent_leaf(ByteSpan input) {
    const auto runs = decode_extent_leaf(input);
    if (!runs.ok()) return;
    for (const Run& run : *runs) {
        HF_CHECK(run.bytes > 0);
        HF_CHECK(run.kind != RunKind::data || run.chunk_offset + run.bytes <= max_chunk_bytes);
    }
    HF_CHECK(decode_extent_leaf(encode_extent_leaf(*runs)).value() == *runs);
}

}  // namespace holdfast
