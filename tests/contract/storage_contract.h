// What every storage must do. A storage proves itself by running these tests against itself:
//     INSTANTIATE_TEST_SUITE_P(Local, StorageContract, testing::Values(make_local));
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <thread>

#include "storage/storage.h"

namespace holdfast {

// An empty storage, and what has to outlive it (a temporary directory, a server).
struct StorageUnderTest {
    std::shared_ptr<void> environment;
    std::unique_ptr<Storage> storage;
};
using MakeStorage = std::function<StorageUnderTest()>;

class StorageContract : public testing::TestWithParam<MakeStorage> {
  protected:
    void SetUp() override {
        under_test_ = GetParam()();
        ASSERT_NE(under_test_.storage, nullptr);
    }
    Storage& storage() { return *under_test_.storage; }
    static Bytes pattern(std::size_t size, std::uint8_t seed) {
        Bytes data(size);
        for (std::size_t i = 0; i < size; ++i) data[i] = static_cast<std::uint8_t>(i * 31 + seed);
        return data;
    }

  private:
    StorageUnderTest under_test_;
};

TEST_P(StorageContract, WhatIsPutIsReadBackWholeAndInRanges) {
    const Bytes data = pattern(100'000, 1);
    ASSERT_TRUE(storage().put("data/ab/one", data, Durability::immediate).ok());
    EXPECT_EQ(storage().get("data/ab/one", 1 << 20).value(), data);
    EXPECT_EQ(storage().head("data/ab/one").value().bytes, data.size());
    Bytes part(1000);
    ASSERT_TRUE(storage().read("data/ab/one", 50'000, part).ok());
    EXPECT_TRUE(std::equal(part.begin(), part.end(), data.begin() + 50'000));
}

TEST_P(StorageContract, EmptyObjectsExist) {
    ASSERT_TRUE(storage().put("leases/empty", {}, Durability::none).ok());
    EXPECT_EQ(storage().head("leases/empty").value().bytes, 0u);
    EXPECT_TRUE(storage().get("leases/empty", 10).value().empty());
}

TEST_P(StorageContract, NamesAreWrittenOnce) {
    ASSERT_TRUE(storage().put("config", pattern(10, 1), Durability::immediate).ok());
    const Status again = storage().put("config", pattern(20, 2), Durability::immediate);
    ASSERT_FALSE(again.ok());
    EXPECT_EQ(again.error().code(), ErrorCode::already_exists);
    EXPECT_EQ(storage().get("config", 100).value(), pattern(10, 1));
}

TEST_P(StorageContract, ADamagedObjectIsWrittenAgainAndARemovedOneIsNot) {
    ASSERT_TRUE(storage().put("data/x", pattern(5000, 1), Durability::immediate).ok());
    EXPECT_EQ(storage().get("data/x", 10'000).value(), pattern(5000, 1));
    auto writer = storage().begin_again("data/x").value();
    ASSERT_TRUE(writer->append(pattern(9000, 2)).ok());
    EXPECT_EQ(storage().get("data/x", 10'000).value(), pattern(5000, 1));
    ASSERT_TRUE(writer->commit(Durability::immediate).ok());
    EXPECT_EQ(storage().get("data/x", 10'000).value(), pattern(9000, 2));
    auto late = storage().begin_again("data/x").value();
    ASSERT_TRUE(late->append(pattern(100, 3)).ok());
    ASSERT_TRUE(storage().remove("data/x").ok());
    EXPECT_EQ(late->commit(Durability::immediate).error().code(), ErrorCode::not_found);
    EXPECT_EQ(storage().head("data/x").error().code(), ErrorCode::not_found);
}

TEST_P(StorageContract, OfTwoThatPutOneNameOneWins) {
    std::atomic<int> winners = 0;
    {
        std::vector<std::jthread> threads;
        for (std::uint8_t i = 0; i < 4; ++i)
            threads.emplace_back([this, i, &winners] {
                if (storage().put("points/x", pattern(1000, i), Durability::deferred).ok()) ++winners;
            });
    }
    EXPECT_EQ(winners, 1);
}

TEST_P(StorageContract, AMissingObjectIsNotFound) {
    Bytes part(1);
    EXPECT_EQ(storage().head("nowhere").error().code(), ErrorCode::not_found);
    EXPECT_EQ(storage().get("data/nowhere", 10).error().code(), ErrorCode::not_found);
    EXPECT_EQ(storage().read("nowhere", 0, part).error().code(), ErrorCode::not_found);
    EXPECT_TRUE(storage().remove("nowhere").ok());
}

TEST_P(StorageContract, ReadingBeyondTheEndIsDamage) {
    ASSERT_TRUE(storage().put("short", pattern(10, 1), Durability::immediate).ok());
    Bytes part(11);
    EXPECT_EQ(storage().read("short", 0, part).error().code(), ErrorCode::corrupt);
    EXPECT_EQ(storage().get("short", 9).error().code(), ErrorCode::corrupt);
}

TEST_P(StorageContract, AStreamedObjectIsSeenOnlyWhenItIsWhole) {
    Bytes expected;
    {
        auto writer = storage().begin("data/s/streamed").value();
        for (std::uint8_t i = 0; i < 250; ++i) {
            const Bytes piece = pattern(99'991, i);  // no multiple of any block
            ASSERT_TRUE(writer->append(piece).ok());
            expected.insert(expected.end(), piece.begin(), piece.end());
        }
        EXPECT_FALSE(storage().head("data/s/streamed").ok());
        ASSERT_TRUE(writer->commit(Durability::deferred).ok());
    }
    ASSERT_TRUE(storage().barrier().ok());
    EXPECT_EQ(storage().get("data/s/streamed", 1 << 25).value(), expected);
}

TEST_P(StorageContract, AnAbandonedStreamLeavesNothing) {
    {
        auto writer = storage().begin("data/s/gone").value();
        ASSERT_TRUE(writer->append(pattern(20'000'000, 1)).ok());
    }
    EXPECT_FALSE(storage().head("data/s/gone").ok());
    EXPECT_TRUE(list_objects(storage(), "").value().empty());
}

TEST_P(StorageContract, ListsAreSortedCompleteAndStopWhenAsked) {
    const std::vector<std::string> names{"config", "config.2", "data/aa/1", "data/ab/0", "index/00-1",
                                         "points/a/1-2", "points/a/2-1", "points/b/0-0"};
    for (auto it = names.rbegin(); it != names.rend(); ++it)
        ASSERT_TRUE(storage().put(*it, pattern(3, 1), Durability::deferred).ok());
    const auto all = list_objects(storage(), "").value();
    ASSERT_EQ(all.size(), names.size());
    for (std::size_t i = 0; i < names.size(); ++i) {
        EXPECT_EQ(all[i].name, names[i]);
        EXPECT_EQ(all[i].bytes, 3u);
    }
    EXPECT_EQ(list_objects(storage(), "points/a/").value().size(), 2u);
    EXPECT_TRUE(list_objects(storage(), "tombstones/").value().empty());
    std::size_t seen = 0;
    ASSERT_TRUE(storage().list("points/", [&seen](const ObjectInfo&) { return ++seen < 2; }).ok());
    EXPECT_EQ(seen, 2u);
}

TEST_P(StorageContract, WhatIsThereCanBeAdopted) {
    ASSERT_TRUE(storage().put("data/x/y", pattern(3, 1), Durability::none).ok());
    EXPECT_TRUE(storage().adopt("data/x/y").ok());
    EXPECT_EQ(storage().adopt("data/x/z").error().code(), ErrorCode::not_found);
    EXPECT_TRUE(storage().barrier().ok());
}

TEST_P(StorageContract, WhatIsRemovedIsGoneAndItsNameIsFree) {
    ASSERT_TRUE(storage().put("marks/x/held", pattern(3, 1), Durability::immediate).ok());
    ASSERT_TRUE(storage().get("marks/x/held", 10).ok());
    ASSERT_TRUE(storage().remove("marks/x/held").ok());
    EXPECT_FALSE(storage().head("marks/x/held").ok());
    EXPECT_FALSE(storage().get("marks/x/held", 10).ok());
    EXPECT_TRUE(storage().put("marks/x/held", pattern(4, 2), Durability::immediate).ok());
    EXPECT_EQ(storage().get("marks/x/held", 10).value(), pattern(4, 2));
}

}  // namespace holdfast
