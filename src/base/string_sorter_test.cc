#include "base/string_sorter.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>

#include "support/file_size_limit.h"

namespace holdfast {
namespace {

std::vector<std::string> sorted_by(StringSorter sorter, const std::vector<std::string>& texts) {
    for (const std::string& text : texts) EXPECT_TRUE(sorter.add(text).ok());
    EXPECT_TRUE(sorter.finish().ok());
    StringSorter moved = std::move(sorter);
    std::vector<std::string> result;
    std::string text;
    for (;;) {
        const auto more = moved.next(text);
        EXPECT_TRUE(more.ok());
        if (!more.ok() || !*more) return result;
        result.push_back(text);
    }
}

TEST(StringSorterTest, SortsInMemoryAndInAFile) {
    const bool held = rc::check([](std::vector<std::string> texts) {
        std::vector<std::string> expected = texts;
        std::sort(expected.begin(), expected.end());
        RC_ASSERT(sorted_by(StringSorter(), texts) == expected);
        // So little memory that nearly every string is a part of its own.
        RC_ASSERT(sorted_by(StringSorter(24), texts) == expected);
        RC_ASSERT(sorted_by(StringSorter(200), texts) == expected);
    });
    EXPECT_TRUE(held);
}

TEST(StringSorterTest, BytesCompareAsUnsignedNumbers) {
    const std::vector<std::string> texts{"\xff", "a", std::string("a\0", 2), "", "\x7f"};
    const std::vector<std::string> expected{"", "a", std::string("a\0", 2), "\x7f", "\xff"};
    EXPECT_EQ(sorted_by(StringSorter(), texts), expected);
    EXPECT_EQ(sorted_by(StringSorter(16), texts), expected);
}

TEST(StringSorterTest, TheTemporaryDiskIsFull) {
    const FileSizeLimit full(100'000);
    // A string takes 12 bytes in memory and 8 in the file: seven parts of 13,328 bytes fit.
    constexpr int strings_a_part = 1666;
    StringSorter sorter(20'000);
    Status added;
    for (int i = 0; i < 9 * strings_a_part && added.ok(); ++i) added = sorter.add("text");
    ASSERT_FALSE(added.ok());
    EXPECT_NE(added.error().message().find("temporary file"), std::string::npos);
    StringSorter last_part(20'000);
    for (int i = 0; i < 8 * strings_a_part; ++i) ASSERT_TRUE(last_part.add("text").ok()) << i;
    EXPECT_FALSE(last_part.finish().ok());
}

TEST(StringSorterTest, StringsLargerThanABuffer) {
    std::vector<std::string> texts;
    for (char c = 'z'; c >= 'a'; --c) texts.push_back(std::string(50'000, c));
    std::vector<std::string> expected(texts.rbegin(), texts.rend());
    EXPECT_EQ(sorted_by(StringSorter(120'000), texts), expected);
}

}  // namespace
}  // namespace holdfast
