#include "base/disk_map.h"

#include <gtest/gtest.h>

#include <algorithm>

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
