#include "base/disk_map.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "support/file_size_limit.h"

namespace holdfast {
namespace {

Bytes value_of(std::uint64_t number) {
    const std::string text = "value " + std::to_string(number);
    return {text.begin(), text.end()};
}

void fill_and_compare(std::size_t memory_bytes, std::uint64_t entries) {
    DiskMap map(memory_bytes);
    const auto key_of = [](std::uint64_t number) { return DiskMap::Key{number % 3, number}; };
    for (std::uint64_t i = 0; i < entries; ++i)
        ASSERT_TRUE(map.insert(key_of(i), value_of(i)).value());
    EXPECT_EQ(map.size(), entries);
    for (std::uint64_t i = 0; i < entries; i += 7) {
        EXPECT_FALSE(map.insert(key_of(i), value_of(0)).value());
        const auto found = map.find(key_of(i));
        ASSERT_TRUE(found.ok() && found->has_value());
        EXPECT_EQ(**found, value_of(i));
    }
    EXPECT_FALSE(map.find({7, 7}).value().has_value());
    map.clear();
    EXPECT_EQ(map.size(), 0u);
    EXPECT_FALSE(map.find(key_of(1)).value().has_value());
    EXPECT_TRUE(map.insert(key_of(1), value_of(1)).value());
}

TEST(DiskMapTest, InMemory) {
    fill_and_compare(DiskMap::usual_memory_bytes, 1000);
}

TEST(DiskMapTest, OnDisk) {
    fill_and_compare(1000, 1000);
    fill_and_compare(DiskMap::usual_memory_bytes, 200'000);  // the table grows
}

// At the first table, at a table that grows, at a value: what had been inserted before is still found.
TEST(DiskMapTest, TheTemporaryDiskIsFull) {
    for (const std::size_t limit : {std::size_t{1} << 20, std::size_t{3} << 20}) {
        DiskMap map(1000);
        std::uint64_t inserted = 0;
        Status failure;
        {
            const FileSizeLimit full(limit);
            for (; failure.ok() && inserted < 200'000; ++inserted) {
                const auto done = map.insert({inserted, 0}, Bytes(100, 7));
                if (!done.ok()) failure = done.error();
            }
        }
        ASSERT_FALSE(failure.ok()) << limit;
        EXPECT_NE(failure.error().message().find("temporary file"), std::string::npos);
        for (std::uint64_t i = 0; i + 1 < inserted; ++i) {
            const auto found = map.find({i, 0});
            ASSERT_TRUE(found.ok() && found->has_value()) << i;
            EXPECT_EQ(**found, Bytes(100, 7));
        }
    }
}

TEST(DiskMapTest, NoPlaceForATemporaryFile) {
    const char* before = std::getenv("TMPDIR");
    const std::string kept = before == nullptr ? "" : before;
    ::setenv("TMPDIR", "/nonexistent", 1);
    DiskMap map(0);
    const auto inserted = map.insert({1, 2}, value_of(1));
    if (before == nullptr) ::unsetenv("TMPDIR");
    else ::setenv("TMPDIR", kept.c_str(), 1);
    ASSERT_FALSE(inserted.ok());
    EXPECT_NE(inserted.error().message().find("/nonexistent"), std::string::npos);
}

}  // namespace
}  // namespace holdfast
