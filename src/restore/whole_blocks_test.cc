#include "restore/whole_blocks.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <random>

#include "base/file_io.h"
#include "support/generator.h"

namespace holdfast {
namespace {

// Pieces of any size in any order make the file that they are pieces of, whatever stands in the page
// cache meanwhile.
TEST(WholeBlocksTest, PiecesInAnyOrder) {
    Bytes content(direct_file_bytes + 12'345);
    Generator(1).fill(content);
    std::mt19937_64 random(2);
    std::vector<std::pair<std::size_t, std::size_t>> pieces;
    for (std::size_t at = 0; at < content.size();) {
        // Single bytes, parts of a block, blocks, and more than a buffer.
        const std::size_t most = std::array<std::size_t, 4>{1, 5000, 65536, 3u << 20}[random() % 4];
        std::size_t bytes = std::min<std::size_t>(1 + random() % most, content.size() - at);
        if (random() % 3 == 0 && bytes > 4096) bytes -= (at + bytes) % 4096;  // ends with a block
        pieces.emplace_back(at, bytes);
        at += bytes;
    }
    std::shuffle(pieces.begin(), pieces.end(), random);
    const UniqueFd file = open_temporary_file().value();
    // What is written around the page cache cannot be read through the same descriptor.
    const UniqueFd reader = open_file("/proc/self/fd/" + std::to_string(file.get()), O_RDONLY).value();
    WholeBlocks blocks;
    blocks.begin(file.get(), content.size());
    Bytes there;
    for (const auto& [at, bytes] : pieces) {
        ASSERT_TRUE(blocks.write(at, ByteSpan(content).subspan(at, bytes), "file").ok());
        if (random() % 8 != 0) continue;
        there.resize(bytes);
        ASSERT_EQ(read_at(reader.get(), there, at, "file").value(), bytes);
        ASSERT_TRUE(std::equal(there.begin(), there.end(), content.begin() + static_cast<long>(at)));
    }
    there.resize(content.size() + 1);
    EXPECT_EQ(read_at(reader.get(), there, 0, "file").value(), content.size());
    there.pop_back();
    EXPECT_TRUE(there == content);
}

TEST(WholeBlocksTest, SmallFilesAndErrors) {
    const UniqueFd file = open_temporary_file().value();
    WholeBlocks blocks;
    blocks.begin(file.get(), 5000);
    ASSERT_TRUE(blocks.write(0, Bytes(5000, 1), "file").ok());
    EXPECT_EQ(::lseek(file.get(), 0, SEEK_END), 5000);
    EXPECT_EQ(::fcntl(file.get(), F_GETFL) & O_DIRECT, 0);
    const UniqueFd read_only(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    WholeBlocks none;
    none.begin(read_only.get(), direct_file_bytes);
    EXPECT_FALSE(none.write(0, Bytes(1 << 20), "file").ok());
}

}  // namespace
}  // namespace holdfast
