#include "format/parity.h"

#include <gtest/gtest.h>

#include <random>

namespace holdfast {
namespace {

Bytes random_body(std::size_t bytes, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    Bytes body(bytes);
    for (std::uint8_t& byte : body) byte = static_cast<std::uint8_t>(random());
    return body;
}

Parity whole(const Bytes& body) {
    ParityEncoder encoder(parity_layout_of(body.size()));
    encoder.update(body);
    return encoder.finish();
}

// The part of a column that stands in a data slice; empty beyond the body's end.
Bytes data_cell(const Bytes& body, const ParityLayout& layout, std::size_t slice, std::size_t column) {
    const std::size_t start = slice * layout.slice_bytes + column * layout.cell_bytes();
    if (start >= body.size()) return {};
    const std::size_t end = std::min(start + layout.cell_bytes(), body.size());
    return Bytes(body.begin() + static_cast<std::ptrdiff_t>(start),
                 body.begin() + static_cast<std::ptrdiff_t>(end));
}

TEST(ParityTest, LayoutsFitTheirBodies) {
    for (const std::uint64_t bytes : {1u, 63u, 64u, 511u, 512u, 513u, 4096u, 5000u, 122'880u, 122'881u,
                                      983'040u, 1'000'000u, 3'000'000u, 5'000'001u, 70'000'000u}) {
        const ParityLayout layout = parity_layout_of(bytes);
        ASSERT_TRUE(layout.is_valid_for(bytes)) << bytes;
        EXPECT_FALSE(layout.is_valid_for(bytes + layout.slice_bytes)) << bytes;
        EXPECT_EQ(layout.parity_slices, std::min<int>(layout.data_slices, 8)) << bytes;
        // At most a fifteenth for what is large; small objects are kept twice.
        if (bytes > 200'000) {
            EXPECT_LT(layout.slices_bytes(), bytes / 15) << bytes;
        }
        EXPECT_LE(layout.slices_bytes(), bytes + 704 * 8) << bytes;
    }
    EXPECT_EQ(parity_layout_of(0).scheme, 0);
}

TEST(ParityTest, AnyLostSlicesOfAColumnAreMended) {
    std::mt19937_64 random(20261127);
    for (const std::size_t bytes : {10u, 700u, 3000u, 4097u, 50'000u, 123'457u, 2'345'678u}) {
        const Bytes body = random_body(bytes, bytes);
        const Parity parity = whole(body);
        const ParityLayout& layout = parity.layout;
        const std::size_t slices = layout.data_slices + std::size_t{layout.parity_slices};
        for (int round = 0; round < 20; ++round) {
            const std::size_t column = random() % layout.columns();
            std::vector<std::size_t> all(slices), lost;
            for (std::size_t i = 0; i < slices; ++i) all[i] = i;
            std::shuffle(all.begin(), all.end(), random);
            lost.assign(all.begin(), all.begin() + static_cast<int>(random() % (layout.parity_slices + 1u)));
            std::sort(lost.begin(), lost.end());
            ColumnMender mender(layout, lost, layout.cell_bytes());
            std::vector<Bytes> expected;
            for (std::size_t slice = 0; slice < layout.data_slices; ++slice) {
                Bytes cell = data_cell(body, layout, slice, column);
                if (std::binary_search(lost.begin(), lost.end(), slice)) {
                    cell.resize(layout.cell_bytes());
                    expected.push_back(cell);
                } else if (!cell.empty()) {
                    mender.add_data(slice, cell);
                }
            }
            for (std::size_t j = 0; j < layout.parity_slices; ++j)
                if (!std::binary_search(lost.begin(), lost.end(), layout.data_slices + j))
                    mender.add_parity(j, ByteSpan(parity.slices)
                                             .subspan(j * layout.slice_bytes + column * layout.cell_bytes(),
                                                      layout.cell_bytes()));
            EXPECT_EQ(mender.finish(), expected) << bytes << ' ' << round;
        }
    }
}

TEST(ParityTest, PiecesMakeWhatTheWholeMakes) {
    std::mt19937_64 random(1);
    for (const std::size_t bytes : {5000u, 300'000u, 1'500'000u}) {
        const Bytes body = random_body(bytes, bytes);
        const Parity expected = whole(body);
        ParityEncoder encoder(parity_layout_of(bytes));
        for (ByteSpan rest(body); !rest.empty();) {
            const std::size_t count = std::min<std::size_t>(rest.size(), random() % 20'000);
            encoder.update(rest.first(count));
            rest = rest.subspan(count);
        }
        const Parity parity = encoder.finish();
        EXPECT_EQ(parity.layout, expected.layout);
        EXPECT_EQ(parity.summary, expected.summary);
        EXPECT_EQ(parity.slices, expected.slices);
    }
}

TEST(ParityTest, AStreamedPackHasAboutThreePerCentAndBearsABurst) {
    constexpr std::uint64_t pack_bytes = 64u << 20;
    ParityEncoder encoder(pack_bytes);
    const Bytes piece = random_body(1u << 20, 3);
    for (std::uint64_t i = 0; i < pack_bytes; i += piece.size()) encoder.update(piece);
    const Parity parity = encoder.finish();
    ASSERT_TRUE(parity.layout.is_valid_for(pack_bytes));
    EXPECT_EQ(parity.layout.parity_slices, 8);
    EXPECT_LT(parity.slices.size() + 2 * parity.summary.size(), pack_bytes * 4 / 100);
    // A burst damages a column once a slice that it touches.
    EXPECT_LE((1536u << 10) / parity.layout.slice_bytes + 2, parity.layout.parity_slices);
}

TEST(ParityTest, ABodyBeyondTheCapacityHasNone) {
    ParityEncoder encoder(std::uint64_t{0});
    const Bytes piece(1u << 20);
    const std::uint64_t capacity = ParityEncoder::capacity_for(0);
    for (std::uint64_t i = 0; i <= capacity; i += piece.size()) encoder.update(piece);
    EXPECT_EQ(encoder.finish().layout.scheme, 0);
}

TEST(ParityTest, ASummaryProvesItself) {
    Bytes summary = whole(random_body(3000, 1)).summary;
    ASSERT_TRUE(decode_summary(summary).has_value());
    EXPECT_EQ(cell_checksum(as_bytes("123456789")), 0xE3069283u);  // RFC 3720's polynomial
    for (std::size_t i = 0; i < summary.size(); ++i) {
        summary[i] ^= 1;
        EXPECT_FALSE(decode_summary(summary).has_value()) << i;
        summary[i] ^= 1;
    }
    EXPECT_FALSE(decode_summary(Bytes(7)).has_value());
}

}  // namespace
}  // namespace holdfast
