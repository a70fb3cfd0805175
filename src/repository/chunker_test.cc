#include "repository/chunker.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <set>

#include "crypto/digest.h"
#include "support/generator.h"

namespace holdfast {
namespace {

constexpr ChunkerParameters small_chunks{4096, 65536, 262144};

// 00 01 02 .. 1f
SecretKey test_key() {
    SecretKey key;
    std::uint8_t value = 0;
    for (auto& byte : key.writable()) byte = value++;
    return key;
}

Bytes random_data(std::size_t size, std::uint64_t seed) {
    Generator generator(seed);
    Bytes data(size);
    for (auto& byte : data) byte = generator.byte();
    return data;
}

Bytes text_data(std::size_t size) {
    static constexpr std::string_view words[] = {
        "the ", "backup ", "of ", "a ", "volume ", "holds, ", "chunk\n", "and ", "restore. "};
    Generator generator(5);
    Bytes data;
    while (data.size() < size) {
        const ByteSpan word = as_bytes(words[generator.next() % std::size(words)]);
        data.insert(data.end(), word.begin(), word.end());
    }
    data.resize(size);
    return data;
}

Bytes periodic_data(std::size_t size, ByteSpan pattern) {
    Bytes data(size);
    for (std::size_t i = 0; i < size; ++i) data[i] = pattern[i % pattern.size()];
    return data;
}

// The definition in chunker.h again, word for word and in no way fast.
std::uint16_t defined_mix(std::uint8_t byte) {
    std::uint32_t x = (byte * 0x2AB5u + 0x9E37u) % 65536;
    x ^= x >> 7;
    return static_cast<std::uint16_t>(x * 0xD6E9u % 65536);
}

bool is_candidate(const std::uint8_t* at) {
    static const auto mixed = [] {
        std::array<std::uint32_t, 256> table{};
        for (unsigned b = 0; b < 256; ++b) table[b] = defined_mix(static_cast<std::uint8_t>(b));
        return table;
    }();
    std::uint32_t hash = 0;
    for (unsigned k = 0; k < 16; ++k) hash += mixed[*(at - k)] << k;
    return hash % 65536 < 16;
}

std::size_t defined_cut(const ChunkerParameters& parameters, const SecretKey& key, ByteSpan data) {
    const int log2_avg = std::countr_zero(parameters.avg_bytes);
    for (std::size_t length = 1; length < data.size(); ++length) {
        if (length == parameters.max_bytes) return length;
        if (length < parameters.min_bytes || !is_candidate(&data[length - 1])) continue;
        const Digest digest = keyed_hash(key, data.subspan(length - 64, 64));
        const std::uint64_t c = ByteReader(digest.bytes).u64();
        const int bits = log2_avg - 12 + (length < parameters.avg_bytes ? 2 : -2);
        if (std::countl_zero(c) >= bits) return length;
    }
    return data.size();
}

// The chunks' ends.
std::vector<std::size_t> cuts(const Chunker& chunker, ByteSpan data) {
    std::vector<std::size_t> ends;
    for (std::size_t end = 0; end < data.size();) {
        end += chunker.next_cut(data.subspan(end));
        ends.push_back(end);
    }
    return ends;
}

// That all code cuts `data`, from its beginning to its end, by the definition.
void expect_defined_cuts(const ChunkerParameters& parameters, ByteSpan data) {
    const Chunker chunker(parameters, test_key());
    for (ByteSpan left = data; !left.empty();) {
        const std::size_t length = defined_cut(parameters, test_key(), left);
        ASSERT_EQ(chunker.next_cut(left), length) << left.size() << " of " << data.size();
        ASSERT_EQ(chunker.next_cut_portable(left), length) << left.size() << " of " << data.size();
        left = left.subspan(length);
    }
}

// The pairs of bytes that, repeated, are candidates over and over: the worst for the chunker.
std::vector<Bytes> candidate_pairs() {
    std::vector<Bytes> pairs;
    for (unsigned pair = 0; pair < 0x10000; ++pair) {
        const Bytes pattern{static_cast<std::uint8_t>(pair >> 8), static_cast<std::uint8_t>(pair)};
        const Bytes run = periodic_data(16, pattern);
        if (is_candidate(&run.back())) pairs.push_back(pattern);
    }
    return pairs;
}

TEST(ChunkerParametersTest, ChecksBounds) {
    EXPECT_TRUE(ChunkerParameters{}.valid());
    EXPECT_TRUE((ChunkerParameters{64, 65536, 131072}.valid()));
    EXPECT_FALSE((ChunkerParameters{32, 65536, 131072}.valid()));
    EXPECT_FALSE((ChunkerParameters{64, 32768, 131072}.valid()));
    EXPECT_FALSE((ChunkerParameters{65536, 65536, 131072}.valid()));
    EXPECT_FALSE((ChunkerParameters{64, 65536, 65536}.valid()));
    EXPECT_FALSE((ChunkerParameters{96, 65536, 131072}.valid()));
    EXPECT_FALSE((ChunkerParameters{64, 65537, 131072}.valid()));
    EXPECT_FALSE((ChunkerParameters{64, 65536, 131073}.valid()));
    EXPECT_FALSE((ChunkerParameters{0, 65536, 131072}.valid()));
}

TEST(ChunkerTest, RunsOfOneByteHaveNoCandidates) {
    for (unsigned byte = 0; byte < 256; ++byte) {
        const Bytes run(16, static_cast<std::uint8_t>(byte));
        EXPECT_FALSE(is_candidate(&run.back())) << byte;
    }
}

TEST(ChunkerTest, CutsByTheDefinition) {
    expect_defined_cuts({}, random_data(6'000'000, 11));
    expect_defined_cuts(small_chunks, random_data(3'000'000, 12));
    expect_defined_cuts({64, 65536, 131072}, random_data(1'000'000, 13));
    expect_defined_cuts({32768, 65536, 1u << 31}, random_data(1'000'000, 14));
    expect_defined_cuts(small_chunks, text_data(2'000'000));
    expect_defined_cuts(small_chunks, Bytes(1'000'000));
}

TEST(ChunkerTest, CutsPeriodicDataByTheDefinition) {
    const auto pairs = candidate_pairs();
    ASSERT_FALSE(pairs.empty());
    for (std::size_t k = 0; k < 4; ++k)
        expect_defined_cuts(small_chunks, periodic_data(300'000, pairs[k]));
    for (const std::size_t period : {3u, 16u, 63u, 64u, 65u, 1000u, 4096u, 8191u})
        expect_defined_cuts(small_chunks, periodic_data(600'000, random_data(period, period)));
    // Repetition that breaks off, at distances on both sides of the window's length and the
    // block's.
    Generator generator(15);
    for (const std::size_t longest : {100u, 1000u, 30000u}) {
        Bytes data;
        while (data.size() < 600'000) {
            const Bytes run =
                periodic_data(1 + generator.next() % longest,
                              pairs[generator.next() % std::min<std::size_t>(4, pairs.size())]);
            data.insert(data.end(), run.begin(), run.end());
            if (generator.next() % 4 == 0) data.push_back(generator.byte());
        }
        expect_defined_cuts(small_chunks, data);
    }
}

// A window that was refused by the strict bits may be confirmed by the loose ones: the memory of
// refused windows must not reach over avg. The pairs' chunks end at all three kinds of place.
TEST(ChunkerTest, CutsPeriodicDataRightAfterAvg) {
    std::set<std::size_t> lengths;
    const Chunker chunker({4096, 65536, 131072}, test_key());
    for (const Bytes& pattern : candidate_pairs()) {
        const Bytes data = periodic_data(131072, pattern);
        const std::size_t length = chunker.next_cut(data);
        ASSERT_EQ(length, defined_cut(chunker.parameters(), test_key(), data));
        lengths.insert(length);
    }
    EXPECT_TRUE(lengths.contains(65536) || lengths.contains(65537));
    EXPECT_TRUE(lengths.contains(131072));
}

// One changed byte in data that repeats gives candidates that were not seen before.
TEST(ChunkerTest, SeesOneChangedByteInPeriodicData) {
    const ChunkerParameters bounds{4096, 65536, 131072};
    const Chunker chunker(bounds, test_key());
    const auto pairs = candidate_pairs();
    const auto refused = std::ranges::find_if(pairs, [&](const Bytes& pattern) {
        return chunker.next_cut(periodic_data(bounds.max_bytes, pattern)) == bounds.max_bytes;
    });
    ASSERT_NE(refused, pairs.end());
    Bytes data = periodic_data(bounds.max_bytes, *refused);
    for (std::size_t place = 70'000; place < 70'100; ++place) {
        data[place] ^= 1;
        const std::size_t length = chunker.next_cut(data);
        ASSERT_EQ(length, defined_cut(bounds, test_key(), data));
        ASSERT_LT(length, bounds.max_bytes);
        data[place] ^= 1;
    }
}

// A confirmed position counts from min on and up to max, and the loose bits from avg on: chunks
// that begin so that one position of random data stands at, before and behind each bound.
TEST(ChunkerTest, KeepsToTheBoundsExactly) {
    const ChunkerParameters bounds{4096, 65536, 131072};
    const Chunker chunker(bounds, test_key());
    const Bytes data = random_data(1'000'000, 23);
    unsigned cuts_at_min = 0, cuts_at_avg = 0;
    for (std::size_t i = bounds.max_bytes; i < data.size() - bounds.max_bytes; ++i) {
        if (!is_candidate(&data[i])) continue;
        for (const std::size_t bound : {bounds.min_bytes, bounds.avg_bytes, bounds.max_bytes}) {
            for (std::size_t length = bound - 1; length <= bound + 1; ++length) {
                const auto part = ByteSpan(data).subspan(i + 1 - length, bounds.max_bytes);
                const std::size_t cut = chunker.next_cut(part);
                ASSERT_EQ(cut, defined_cut(bounds, test_key(), part));
                if (cut == bounds.min_bytes) ++cuts_at_min;
                if (cut == bounds.avg_bytes) ++cuts_at_avg;
            }
        }
    }
    EXPECT_GT(cuts_at_min, 0u);
    EXPECT_GT(cuts_at_avg, 0u);
}

TEST(ChunkerTest, CutsByTheDefinitionAtEveryEdge) {
    const ChunkerParameters bounds{4096, 65536, 131072};
    const Chunker chunker(bounds, test_key());
    const Bytes data = random_data(140'000, 16);
    for (const std::size_t edge : {0u, 64u, 4096u, 4096u + 256u, 12288u, 65536u, 73728u, 131072u}) {
        for (std::size_t size = edge - std::min<std::size_t>(edge, 3); size <= edge + 3; ++size) {
            for (std::size_t start = 0; start < 70; start += 23) {
                // A copy of its own, so that a sanitizer sees a read out of bounds.
                const Bytes part(data.begin() + static_cast<std::ptrdiff_t>(start),
                                 data.begin() + static_cast<std::ptrdiff_t>(start + size));
                const std::size_t length = defined_cut(bounds, test_key(), part);
                ASSERT_EQ(chunker.next_cut(part), length) << size << " from " << start;
                ASSERT_EQ(chunker.next_cut_portable(part), length) << size << " from " << start;
                ASSERT_EQ(chunker.next_cut(ByteSpan(data).subspan(start, size)), length);
            }
        }
    }
    EXPECT_EQ(chunker.next_cut({}), 0u);
}

TEST(ChunkerTest, ScansFindWhatTheDefinitionSays) {
    Bytes data = random_data(40'000, 17);
    for (const Bytes& pattern : candidate_pairs()) {
        const Bytes run = periodic_data(60, pattern);
        data.insert(data.end(), run.begin(), run.end());
        data.push_back(1);
    }
    for (std::size_t start = 16; start + 8192 <= data.size(); start += 97) {
        for (const std::size_t count : {0u, 256u, 2048u, 2304u, 8192u}) {
            std::array<std::uint64_t, 128> portable{}, best{};
            gear16::scan_portable(&data[start], count, portable.data());
            gear16::best_scan()(&data[start], count, best.data());
            ASSERT_EQ(portable, best);
            if (count != 256) continue;
            for (std::size_t k = 0; k < count; ++k)
                ASSERT_EQ((best[k / 64] >> (k % 64)) % 2 != 0, is_candidate(&data[start + k]));
        }
    }
}

// Golden: these may never change. Computed by a second implementation too (Python, from the
// definition and the BLAKE3 paper).
TEST(ChunkerTest, GoldenCuts) {
    const Bytes data = random_data(8 * 1024 * 1024, 1);
    const std::vector<std::size_t> default_ends = {528866,
                                                   839670,
                                                   1138322,
                                                   1642160,
                                                   2284925,
                                                   2822754,
                                                   3552048,
                                                   4209754,
                                                   5024917,
                                                   5401311,
                                                   6330017,
                                                   6985421,
                                                   7535734,
                                                   8180370,
                                                   8388608};
    EXPECT_EQ(cuts(Chunker({}, test_key()), data), default_ends);
    const std::vector<std::size_t> small_ends = {66386,
                                                 133645,
                                                 205501,
                                                 280043,
                                                 299887,
                                                 366181,
                                                 432884,
                                                 501524,
                                                 597496,
                                                 664228,
                                                 784221,
                                                 839670,
                                                 920841,
                                                 990054,
                                                 1048576};
    EXPECT_EQ(cuts(Chunker(small_chunks, test_key()), ByteSpan(data).first(1024 * 1024)),
              small_ends);
}

TEST(ChunkerTest, DependsOnTheKey) {
    const Bytes data = random_data(4'000'000, 18);
    EXPECT_NE(cuts(Chunker({}, test_key()), data), cuts(Chunker({}, SecretKey{}), data));
}

TEST(ChunkerTest, ChunksCoverTheDataAndKeepTheBounds) {
    const Chunker chunker(small_chunks, test_key());
    for (const Bytes& data : {random_data(20'000'000, 19), text_data(8'000'000)}) {
        const auto ends = cuts(chunker, data);
        ASSERT_EQ(ends.back(), data.size());
        std::size_t begin = 0;
        for (const std::size_t end : ends) {
            ASSERT_LE(end - begin, small_chunks.max_bytes);
            ASSERT_TRUE(end - begin >= small_chunks.min_bytes || end == data.size());
            begin = end;
        }
        const std::size_t mean = data.size() / ends.size();
        EXPECT_GT(mean, small_chunks.avg_bytes * 8 / 10);
        EXPECT_LT(mean, small_chunks.avg_bytes * 13 / 10);
    }
}

// What max_bytes do not reach cannot matter.
TEST(ChunkerTest, DataAfterMaxDoesNotMatter) {
    const Chunker chunker(small_chunks, test_key());
    const Bytes data = random_data(4'000'000, 20);
    for (std::size_t begin = 0; begin < data.size();) {
        const ByteSpan left = ByteSpan(data).subspan(begin);
        const std::size_t enough = std::min<std::size_t>(left.size(), small_chunks.max_bytes);
        ASSERT_EQ(chunker.next_cut(left), chunker.next_cut(left.first(enough)));
        begin += chunker.next_cut(left);
    }
}

TEST(ChunkerTest, CutsFindThemselvesAgainAfterAnInsertion) {
    const Chunker chunker(small_chunks, test_key());
    const Bytes before = random_data(16'000'000, 21);
    for (const std::size_t inserted : {1u, 100u, 100'000u}) {
        Bytes after = before;
        const Bytes insertion = random_data(inserted, 22);
        const std::size_t place = 5'000'000;
        after.insert(
            after.begin() + static_cast<std::ptrdiff_t>(place), insertion.begin(), insertion.end());
        const auto old_ends = cuts(chunker, before);
        const auto new_ends = cuts(chunker, after);
        const std::set<std::size_t> known(old_ends.begin(), old_ends.end());
        std::size_t lost_begin = after.size(), lost_end = 0;
        for (const std::size_t end : new_ends) {
            const bool same = end <= place ? known.contains(end)
                                           : end >= inserted && known.contains(end - inserted);
            if (same) continue;
            lost_begin = std::min(lost_begin, end);
            lost_end = std::max(lost_end, end);
        }
        // All cuts before the place are kept, and soon after it those of before come again.
        EXPECT_GE(lost_begin, place);
        EXPECT_LE(lost_end, place + inserted + 16 * small_chunks.avg_bytes);
    }
}

}  // namespace
}  // namespace holdfast
