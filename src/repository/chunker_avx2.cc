#if defined(__x86_64__)

#include <immintrin.h>

#include <algorithm>
#include <bit>

#include "repository/chunker.h"

// The build's base is older than AVX2; these functions are called where the processor has it.
#define HF_AVX2 __attribute__((target("avx2")))

namespace holdfast::gear16 {
namespace {

// Every 16-bit lane walks a stretch of its own of the block, byte by byte as the definition goes.
constexpr std::size_t lanes = 16;

// rows[lane] -> columns[k], whose 16-bit lanes hold the bytes 2k and 2k + 1 of each row. The lanes
// stand in the rows' order.
HF_AVX2 inline void transpose(const std::uint8_t* first,
                              std::size_t stretch,
                              __m256i (&columns)[8]) {
    __m256i rows[8], pairs[8], quads[8];
    for (std::size_t k = 0; k < 8; ++k) {
        rows[k] = _mm256_loadu2_m128i(reinterpret_cast<const __m128i*>(first + (k + 8) * stretch),
                                      reinterpret_cast<const __m128i*>(first + k * stretch));
    }
    for (std::size_t k = 0; k < 4; ++k) {
        pairs[k] = _mm256_unpacklo_epi16(rows[2 * k], rows[2 * k + 1]);
        pairs[k + 4] = _mm256_unpackhi_epi16(rows[2 * k], rows[2 * k + 1]);
    }
    for (std::size_t k = 0; k < 8; k += 4) {
        for (std::size_t j = 0; j < 2; ++j) {
            const __m256i a = pairs[k + 2 * j], b = pairs[k + 2 * j + 1];
            quads[k + j] = _mm256_unpacklo_epi32(a, b);
            quads[k + j + 2] = _mm256_unpackhi_epi32(a, b);
        }
    }
    for (std::size_t k = 0; k < 4; ++k) {
        columns[2 * k] = _mm256_unpacklo_epi64(quads[2 * k], quads[2 * k + 1]);
        columns[2 * k + 1] = _mm256_unpackhi_epi64(quads[2 * k], quads[2 * k + 1]);
    }
}

HF_AVX2 inline __m256i constant(std::uint16_t value) {
    return _mm256_set1_epi16(static_cast<std::int16_t>(value));
}

// 2 * hash + mix16(byte) in each lane.
HF_AVX2 inline __m256i advance(__m256i hash, __m256i bytes) {
    __m256i x = _mm256_mullo_epi16(bytes, constant(mix_multiplier));
    x = _mm256_add_epi16(x, constant(mix_addend));
    x = _mm256_xor_si256(x, _mm256_srli_epi16(x, mix_shift));
    x = _mm256_mullo_epi16(x, constant(mix_final));
    return _mm256_add_epi16(_mm256_add_epi16(hash, hash), x);
}

// The hashes at 16 positions of each lane.
using Hashes = std::uint16_t[16][lanes];

HF_AVX2 inline void store(std::uint16_t (&row)[lanes], __m256i hash) {
    _mm256_store_si256(reinterpret_cast<__m256i*>(row), hash);
}

// Goes on by 16 bytes in each lane, from the last of `hashes`. Bits 2 * lane and 2 * lane + 1 of
// the result say whether one of the lane's 16 positions is a candidate.
HF_AVX2 inline std::uint32_t step(const std::uint8_t* first, std::size_t stretch, Hashes& hashes) {
    __m256i columns[8];
    transpose(first, stretch, columns);
    __m256i hash = _mm256_load_si256(reinterpret_cast<const __m256i*>(hashes[15]));
    __m256i least = constant(0xFFFF);
    for (std::size_t k = 0; k < 8; ++k) {
        hash = advance(hash, _mm256_and_si256(columns[k], constant(0xFF)));
        store(hashes[2 * k], hash);
        least = _mm256_min_epu16(least, hash);
        hash = advance(hash, _mm256_srli_epi16(columns[k], 8));
        store(hashes[2 * k + 1], hash);
        least = _mm256_min_epu16(least, hash);
    }
    const __m256i above = _mm256_subs_epu16(least, constant(candidate_limit - 1));
    return static_cast<std::uint32_t>(
        _mm256_movemask_epi8(_mm256_cmpeq_epi16(above, _mm256_setzero_si256())));
}

// Which of a lane's 16 positions are candidates.
HF_AVX2 inline std::uint64_t candidates(const Hashes& hashes, std::size_t lane) {
    std::uint64_t bits = 0;
    for (std::size_t k = 0; k < 16; ++k)
        bits |= std::uint64_t{hashes[k][lane] < candidate_limit} << k;
    return bits;
}

// Asks for the scan_step bytes at first + offset, which are the next call's more often than not;
// the processor does not by itself, because the stretches are too many. It may be past the data's
// end: a prefetch reads nothing that the program could see, hence the detour around pointer
// arithmetic.
inline void prefetch(const std::uint8_t* first, std::size_t offset) {
    const std::uintptr_t address = reinterpret_cast<std::uintptr_t>(first) + offset;
    for (std::size_t line = 0; line < scan_step; line += 64)
        // NOLINTNEXTLINE(performance-no-int-to-ptr)
        __builtin_prefetch(reinterpret_cast<const void*>(address + line));
}

}  // namespace

HF_AVX2 void scan_avx2(const std::uint8_t* first, std::size_t count, std::uint64_t* bitmap) {
    static_assert(scan_step == lanes * 16 && window_bytes == 16);
    std::fill_n(bitmap, count / 64, 0);
    const std::size_t stretch = count / lanes;
    alignas(32) Hashes hashes = {};
    // The 16 bytes before each stretch.
    step(first - window_bytes, stretch, hashes);
    for (std::size_t begin = 0; begin < stretch; begin += 16) {
        prefetch(first, count + begin * lanes);
        std::uint32_t found = step(first + begin, stretch, hashes);
        while (found != 0) {
            const auto lane = static_cast<unsigned>(std::countr_zero(found)) / 2;
            const std::size_t position = lane * stretch + begin;
            bitmap[position / 64] |= candidates(hashes, lane) << (position % 64);
            found &= ~(std::uint32_t{3} << (2 * lane));
        }
    }
}

}  // namespace holdfast::gear16

#endif
