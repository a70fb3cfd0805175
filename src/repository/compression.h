// zstd, with contexts that are used again.
#pragma once

#include <memory>

#include "base/result.h"
#include "format/chunk.h"

namespace holdfast {

// The level is a trade of time for space and can differ from one backup to the next.
enum class CompressionLevel : std::uint8_t { fast = 1, standard = 3, small = 9 };

// How much of a chunk the search for repetitions remembers.
enum class MatchTables : std::uint8_t {
    usual,  // what the level has: 768 KiB for a chunk of 1 MiB at `standard`
    // At `standard` 144 KiB, which stay in a core's own cache: measured on a source tree, a fifth less
    // CPU time for 2 % more stored bytes. Other levels have their usual tables.
    in_cache,
};

// One thread's compressor. Holds zstd's tables and a buffer of the largest input's size.
class Compressor {
  public:
    explicit Compressor(CompressionLevel level);
    ~Compressor();
    Compressor(const Compressor&) = delete;
    Compressor& operator=(const Compressor&) = delete;

    // Appends codec and payload of `raw` to `out`, and leaves room for a seal behind them. Data that
    // does not shrink is kept as it is.
    void append(ByteSpan raw, Bytes& out, MatchTables tables = MatchTables::usual);

  private:
    struct Context;
    std::unique_ptr<Context> context_;
};

// Reads codec and payload that hold exactly out.size() bytes. Thread-safe. Errors: corrupt.
Status decompress(ByteSpan stored, MutableByteSpan out);

}  // namespace holdfast
