// Input: the size that is expected (2 bytes), then codec and payload.
#include "repository/compression.h"
#include "targets.h"

namespace holdfast {

void fuzz_decompress(ByteSpan input) {
    ByteReader in(input);
    Bytes content(in.u16());
    if (!decompress(input.subspan(in.position()), content).ok()) return;
    static Compressor compressor(CompressionLevel::fast);
    Bytes stored;
    compressor.append(content, stored);
    Bytes again(content.size());
    HF_CHECK(decompress(stored, again).ok() && again == content);
}

}  // namespace holdfast
