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
    EXPECT_EQ(first_task(pieces, {1, false}).size(), 2u);
    EXPECT_EQ(first_task(pieces, {120, false}).size(), 2u);
    EXPECT_EQ(first_task(pieces, {121, false}).size(), 3u);
    EXPECT_EQ(first_task(pieces, {1000, false}).size(), 4u);
}

TEST(FirstTask, DividesNoRead) {
    const std::vector<Piece> pieces{piece(1, 60, true), piece(2, 60, false), piece(3, 60, false), piece(4, 10, true), piece(5, 10, true)};
    EXPECT_EQ(first_task(pieces, {1, true}).size(), 3u);
    EXPECT_EQ(first_task(std::span(pieces).subspan(3), {1, true}).size(), 1u);
    EXPECT_EQ(first_task(std::span(pieces).subspan(3), {11, true}).size(), 2u) << "small reads go together";
    // A chunk that is larger than a read begins one with each of its pieces; it stays whole.
    const std::vector<Piece> large{piece(1, 60, true), piece(1, 60, true), piece(2, 60, true)};
    EXPECT_EQ(first_task(large, {1, true}).size(), 2u);
}

}  // namespace
}  // namespace holdfast
