// zstd, with contexts that are used again.
#pragma once

#include <memory>

#include "base/result.h"
#include "format/chunk.h"

namespace holdfast {

// The level is a trade of time for space and can differ from one backup to the next.
enum class CompressionLevel : std::uint8_t { fast = 1, standard = 3, small = 9 };

// One thread's compressor. Holds zstd's tables and a buffer of the largest input's size.
class Compressor {
  public:
    explicit Compressor(CompressionLevel level);
    ~Compressor();
    Compressor(const Compressor&) = delete;
    Compressor& operator=(const Compressor&) = delete;

    // Appends codec and payload of `raw` to `out`. Data that does not shrink is kept as it is.
    void append(ByteSpan raw, Bytes& out);

  private:
    struct Context;
    std::unique_ptr<Context> context_;
};

// Reads codec and payload that hold exactly out.size() bytes. Thread-safe. Errors: corrupt.
Status decompress(ByteSpan stored, MutableByteSpan out);

}  // namespace holdfast
