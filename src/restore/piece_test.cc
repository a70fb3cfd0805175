#include "restore/piece.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

Piece piece(std::uint8_t chunk, std::uint64_t bytes, bool begins_read) {
    Piece one;
    one.chunk.bytes.fill(chunk);
    one.bytes = bytes;
    one.begins_read = begins_read;
    return one;
}

TEST(FirstTask, TakesWholeChunksUntilThereIsEnough) {
    const std::vector<Piece> pieces{piece(1, 60, true), piece(1, 60, false), piece(2, 50, false), piece(3, 1, true)};
    EXPECT_EQ(first_task(pieces, {false, 1}).size(), 2u);
    EXPECT_EQ(first_task(pieces, {false, 120}).size(), 2u);
    EXPECT_EQ(first_task(pieces, {false, 121}).size(), 3u);
    EXPECT_EQ(first_task(pieces, {false, 1000}).size(), 4u);
}

TEST(FirstTask, IsOneRead) {
    const std::vector<Piece> pieces{piece(1, 60, true), piece(2, 60, false), piece(3, 60, false), piece(4, 1, true), piece(5, 1, true)};
    EXPECT_EQ(first_task(pieces, {true, 0}).size(), 3u);
    EXPECT_EQ(first_task(std::span(pieces).subspan(3), {true, 0}).size(), 1u) << "a thread would wait for one small read after the other";
    // A chunk that is larger than a read begins one with each of its pieces; it stays whole.
    const std::vector<Piece> large{piece(1, 60, true), piece(1, 60, true), piece(2, 60, true)};
    EXPECT_EQ(first_task(large, {true, 0}).size(), 2u);
}

}  // namespace
}  // namespace holdfast
