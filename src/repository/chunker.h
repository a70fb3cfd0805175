// Content-defined chunking: where a content is cut follows from its bytes and a secret key, so that
// equal data is cut alike wherever it stands. Cuts are the same on every processor.
// Format: docs/format.md#chunking. Source: FastCDC (Xia et al., USENIX ATC 2016), normalisation
// level 2; a gear hash as unkeyed prefilter, and a PRF as confirmation in place of a keyed rolling
// hash, because those give their key away when chunk lengths can be seen.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "crypto/secret.h"

namespace holdfast {

// The prefilter, for the chunker's own files and their tests and benchmarks.
namespace gear16 {

inline constexpr std::uint16_t mix_multiplier = 0x2AB5, mix_addend = 0x9E37, mix_final = 0xD6E9;
inline constexpr unsigned mix_shift = 7, window_bytes = 16, candidate_limit = 16;

constexpr std::uint16_t mix16(std::uint8_t byte) {
    const auto sum = static_cast<std::uint16_t>(byte * std::uint32_t{mix_multiplier} + mix_addend);
    const auto folded = static_cast<std::uint16_t>(sum ^ (sum >> mix_shift));
    return static_cast<std::uint16_t>(folded * std::uint32_t{mix_final});
}

// Finds candidates among the `count` positions from `first` on: bit k % 64 of bitmap[k / 64] says
// whether first[k] is one. The 16 bytes before `first` must be readable; count % scan_step == 0.
using Scan = void (*)(const std::uint8_t* first, std::size_t count, std::uint64_t* bitmap);
inline constexpr std::size_t scan_step = 256;

// By the definition, byte for byte; for any `count`.
void scan_portable(const std::uint8_t* first, std::size_t count, std::uint64_t* bitmap);
#if defined(__x86_64__)
void scan_avx2(const std::uint8_t* first, std::size_t count, std::uint64_t* bitmap);
#endif
// The fastest that this processor runs.
Scan best_scan();

}  // namespace gear16

// Bounds of a chunk's length in bytes.
struct ChunkerParameters {
    std::uint32_t min_bytes = 128 * 1024;
    std::uint32_t avg_bytes = 512 * 1024;
    std::uint32_t max_bytes = 2 * 1024 * 1024;

    // All are powers of two, 64 <= min < avg < max, and avg is at least 64 KiB.
    bool valid() const;
    auto operator<=>(const ChunkerParameters&) const = default;
};

// The definition. d[i] is byte i of a chunk, counted from the chunk's start at 0; all arithmetic of
// the prefilter is modulo 2^16.
//
//     mix16(b):  x = b * 0x2AB5 + 0x9E37;  x = x XOR (x >> 7);  mix16(b) = x * 0xD6E9
//     h(i) = sum over k = 0..15 of mix16(d[i - k]) << k
//     c(i) = the first 8 bytes, read as a little-endian integer, of the keyed BLAKE3 hash of the
//            64 bytes d[i - 63] .. d[i] under the chunker key
//
// Position i is a candidate when h(i) < 16. A candidate is confirmed when the `bits` most
// significant bits of c(i) are zero, where bits = log2(avg) - 12 + 2 while i + 1 < avg, and
// log2(avg) - 12 - 2 from i + 1 = avg on. The chunk ends after the first confirmed position i with
// i + 1 >= min, thus with length i + 1; without one it ends at max, or where the content ends.
//
// Hence min <= length <= max, but the last chunk of a content may be shorter than min; the
// concatenation of the chunks is the content; and no window reaches before the chunk's start. On
// random data 1 in 4096 positions is a candidate and the mean length is about 1.15 avg (strict bits
// up to avg, few chunks far above it). In a run of 16 or more equal bytes b,
// h = 2^16 - mix16(b); no byte value makes that less than 16 (the least is 143), and two candidates
// are never neighbours, so runs of zeros and the like cost no confirmations.
class Chunker {
  public:
    // `parameters` must be valid(): who reads them from outside checks that first.
    Chunker(const ChunkerParameters& parameters, const SecretKey& key);

    // Length of the first chunk of `data`, which begins at a chunk's start and holds max_bytes, or
    // everything that is left of the content. 0 only for empty data. Thread-safe.
    std::size_t next_cut(ByteSpan data) const;
    // The same by the portable code alone, for tests and benchmarks.
    std::size_t next_cut_portable(ByteSpan data) const;

    const ChunkerParameters& parameters() const { return parameters_; }

  private:
    class Search;

    std::size_t cut(ByteSpan data, gear16::Scan scan) const;

    ChunkerParameters parameters_;
    SecretKey key_;
    std::uint64_t memo_multiplier_;
};

}  // namespace holdfast
