#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <thread>

#include "contract/storage_contract.h"
#include "storage/cache/cached_storage.h"
#include "storage/local/local_storage.h"
#include "storage/memory/memory_storage.h"
#include "storage/throttle/throttled_storage.h"
#include "support/hooked_storage.h"
#include "support/temporary_directory.h"

namespace holdfast {
namespace {

StorageUnderTest make_local() {
    auto directory = std::make_shared<TemporaryDirectory>();
    auto storage = LocalStorage::open(directory->path() + "/repository", OpenMode::create);
    return {directory, std::move(storage).value()};
}

StorageUnderTest make_memory() {
    return {nullptr, std::make_unique<MemoryStorage>()};
}

INSTANTIATE_TEST_SUITE_P(Local, StorageContract, testing::Values(make_local));
INSTANTIATE_TEST_SUITE_P(Memory, StorageContract, testing::Values(make_memory));

TEST(LocalStorageTest, APathThatIsMissingIsNotMadeSilently) {
    const TemporaryDirectory directory;
    EXPECT_EQ(LocalStorage::open(directory.path() + "/x", OpenMode::existing).error().code(),
              ErrorCode::not_found);
}

// Each session has directories of its own: thousands of them would be left, and listed.
TEST(LocalStorageTest, ADirectoryGoesWithItsLastObject) {
    const TemporaryDirectory directory;
    const std::string root = directory.path() + "/repository";
    const auto storage = LocalStorage::open(root, OpenMode::create).value();
    for (const char* const name : {"data/1/a", "data/1/b", "keys/c"})
        ASSERT_TRUE(storage->put(name, as_bytes("x"), Durability::immediate).ok());
    ASSERT_TRUE(storage->remove("data/1/a").ok());
    EXPECT_TRUE(std::filesystem::exists(root + "/data/1"));
    ASSERT_TRUE(storage->remove("data/1/b").ok());
    ASSERT_TRUE(storage->remove("keys/c").ok());
    ASSERT_TRUE(storage->barrier().ok());
    EXPECT_FALSE(std::filesystem::exists(root + "/data/1"));
    EXPECT_TRUE(std::filesystem::exists(root + "/data"));
    EXPECT_TRUE(std::filesystem::exists(root + "/keys"));
    ASSERT_TRUE(storage->put("data/1/a", as_bytes("x"), Durability::immediate).ok());
    EXPECT_EQ(storage->get("data/1/a", 10).value().size(), 1u);
}

TEST(LocalStorageTest, OneProcessRemovesADirectoryThatAnotherWritesTo) {
    const TemporaryDirectory directory;
    const std::string root = directory.path() + "/repository";
    std::vector<std::jthread> threads;
    for (int i = 0; i < 2; ++i) {
        std::shared_ptr<Storage> storage = LocalStorage::open(root, i == 0 ? OpenMode::create : OpenMode::existing).value();
        threads.emplace_back([storage, i] {
            for (int round = 0; round < 3000; ++round) {
                const std::string name = "marks/1/" + std::to_string(i) + '-' + std::to_string(round);
                const Status put = storage->put(name, as_bytes("x"), round % 8 == 0 ? Durability::immediate : Durability::none);
                ASSERT_TRUE(put.ok()) << put.error().describe();
                ASSERT_TRUE(storage->head(name).ok());
                ASSERT_TRUE(storage->remove(name).ok());
                if (round % 4 == 0) {
                    const Status synced = storage->barrier();
                    ASSERT_TRUE(synced.ok()) << synced.error().describe();
                }
            }
        });
    }
    threads.clear();
    const std::string left = root + "/marks/1";
    EXPECT_TRUE(!std::filesystem::exists(left) || std::filesystem::is_empty(left));
}

// A remote storage that counts what it is asked.
std::unique_ptr<Storage> counting(std::shared_ptr<Storage> inner, std::map<std::string, int>& requests) {
    return std::make_unique<HookedStorage>(std::move(inner), [&requests](std::string_view operation, const std::string&) {
        ++requests[std::string(operation)];
        return ok_status();
    });
}

// Two blocks and a part of one, none like another.
Bytes blocks_and_a_half() {
    Bytes data(2'500'000);
    for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<std::uint8_t>(i * 7 + i / 251);
    return data;
}

TEST(CachedStorageTest, MetadataIsFetchedOnceAndByBlocks) {
    const TemporaryDirectory directory;
    const auto inner = std::make_shared<MemoryStorage>();
    const Bytes data = blocks_and_a_half();
    for (const char* const name : {"meta/s/a", "data/s/a", "index/a"})
        ASSERT_TRUE(inner->put(name, ByteSpan(data).first(name[0] == 'i' ? 100'000 : data.size()), Durability::none).ok());
    std::map<std::string, int> requests;
    const auto counted = counting(inner, requests);
    for (int process = 0; process < 2; ++process) {
        CachedStorage cached(*counted, directory.path());
        for (const std::uint64_t offset : {std::uint64_t{0}, std::uint64_t{1000}, CachedStorage::block_bytes - 5, std::uint64_t{2'400'000}}) {
            Bytes part(100'000);
            ASSERT_TRUE(cached.read("meta/s/a", offset, part).ok());
            EXPECT_TRUE(std::equal(part.begin(), part.end(), data.begin() + static_cast<std::ptrdiff_t>(offset)));
        }
        Bytes beyond(100'001);
        EXPECT_EQ(cached.read("meta/s/a", 2'400'000, beyond).error().code(), ErrorCode::corrupt);
        EXPECT_EQ(*cached.read_some("meta/s/a", 3 << 20, beyond), 0u);
        EXPECT_EQ(cached.get("index/a", 1 << 20)->size(), 100'000u);
        EXPECT_EQ(cached.get("index/a", 10).error().code(), ErrorCode::corrupt);
    }
    // Three blocks and what lies behind the end, once.
    EXPECT_EQ(requests["read"], 4);
    CachedStorage cached(*counted, directory.path());
    Bytes part(10);
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(cached.read("data/s/a", 0, part).ok());
    EXPECT_EQ(requests["read"], 7);
}

TEST(CachedStorageTest, WhatAnotherThreadFetchesIsWaitedFor) {
    const auto inner = std::make_shared<MemoryStorage>();
    ASSERT_TRUE(inner->put("meta/s/a", Bytes(5000, 7), Durability::none).ok());
    std::atomic<int> requests = 0;
    HookedStorage slow(inner, [&requests](std::string_view, const std::string&) {
        ++requests;
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
        return ok_status();
    });
    CachedStorage cached(slow, "");
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i)
        threads.emplace_back([&cached] {
            Bytes part(5000);
            EXPECT_TRUE(cached.read("meta/s/a", 0, part).ok());
            EXPECT_EQ(part, Bytes(5000, 7));
        });
    threads.clear();
    EXPECT_EQ(requests, 1);
    // Nobody waits for ever for what is not there.
    for (int i = 0; i < 8; ++i)
        threads.emplace_back([&cached] {
            Bytes part(10);
            EXPECT_EQ(cached.read("meta/s/b", 0, part).error().code(), ErrorCode::not_found);
        });
}

TEST(CachedStorageTest, BlocksThatAreGoingToBeReadAreFetchedWithOneRequest) {
    const TemporaryDirectory directory;
    const auto inner = std::make_shared<MemoryStorage>();
    const Bytes data = blocks_and_a_half();
    for (const char* const name : {"points/s/a", "points/s/b", "data/s/a"})
        ASSERT_TRUE(inner->put(name, data, Durability::none).ok());
    std::map<std::string, int> requests;
    const auto counted = counting(inner, requests);
    const auto expect_all = [&data](CachedStorage& cached, const std::string& name) {
        Bytes all(data.size());
        ASSERT_TRUE(cached.read(name, 0, all).ok());
        EXPECT_TRUE(all == data);
    };
    {
        CachedStorage cached(*counted, directory.path());
        ASSERT_TRUE(cached.fetch("points/s/a", data.size()).ok());
        expect_all(cached, "points/s/a");
        EXPECT_EQ(requests["read"], 1);
        // What is there is not asked for again.
        Bytes part(10);
        ASSERT_TRUE(cached.read("points/s/b", CachedStorage::block_bytes, part).ok());
        ASSERT_TRUE(cached.fetch("points/s/b", data.size()).ok());
        ASSERT_TRUE(cached.fetch("points/s/a", data.size()).ok());
        EXPECT_EQ(requests["read"], 3);
        // A size that is not so, and what is not read by blocks.
        ASSERT_TRUE(cached.fetch("points/s/a", 4 << 20).ok());
        ASSERT_TRUE(cached.fetch("data/s/a", data.size()).ok());
        EXPECT_EQ(requests["read"], 4);
        EXPECT_EQ(cached.fetch("points/s/c", 100).error().code(), ErrorCode::not_found);
        EXPECT_EQ(cached.read("points/s/c", 0, part).error().code(), ErrorCode::not_found);
    }
    const int before = requests["read"];
    CachedStorage another_process(*counted, directory.path());
    ASSERT_TRUE(another_process.fetch("points/s/b", data.size()).ok());
    for (const char* const name : {"points/s/a", "points/s/b"}) expect_all(another_process, name);
    EXPECT_EQ(requests["read"], before);
}

TEST(CachedStorageTest, WhatIsDamagedIsFetchedAgain) {
    const TemporaryDirectory directory;
    const auto inner = std::make_shared<MemoryStorage>();
    ASSERT_TRUE(inner->put("meta/s/a", Bytes(5000, 7), Durability::none).ok());
    Bytes part(5000);
    ASSERT_TRUE(CachedStorage(*inner, directory.path()).read("meta/s/a", 0, part).ok());
    std::vector<std::filesystem::path> files;
    for (const auto& file : std::filesystem::recursive_directory_iterator(directory.path()))
        if (file.is_regular_file()) files.push_back(file.path());
    ASSERT_EQ(files.size(), 1u);
    for (const std::size_t size : {std::size_t{5032}, std::size_t{100}, std::size_t{0}}) {
        std::ofstream(files[0], std::ios::binary | std::ios::trunc) << std::string(size, 'x');
        ASSERT_TRUE(CachedStorage(*inner, directory.path()).read("meta/s/a", 0, part).ok());
        EXPECT_EQ(part, Bytes(5000, 7));
    }
}

TEST(CachedStorageTest, KeepsNoMoreThanItMay) {
    const TemporaryDirectory directory;
    const auto inner = std::make_shared<MemoryStorage>();
    for (int i = 0; i < 100; ++i)
        ASSERT_TRUE(inner->put("meta/s/" + std::to_string(i), Bytes(1 << 20), Durability::none).ok());
    CachedStorage cached(*inner, directory.path(), 20u << 20);
    Bytes part(10);
    for (int i = 0; i < 100; ++i) ASSERT_TRUE(cached.read("meta/s/" + std::to_string(i), 0, part).ok());
    std::uint64_t bytes = 0;
    for (const auto& file : std::filesystem::recursive_directory_iterator(directory.path()))
        if (file.is_regular_file()) bytes += file.file_size();
    // It looks each 64 MiB.
    EXPECT_LE(bytes, (20u + 65u) << 20);
}

TEST(ThrottledStorageTest, KeepsToItsRateInTheLongRun) {
    ThrottledStorage storage(std::make_unique<MemoryStorage>(), {1 << 20, 2 << 20}, {}, system_clock());
    const Bytes data(64 << 10);
    TimeNs begin = system_clock().monotonic();
    for (int i = 0; i < 5; ++i) ASSERT_TRUE(storage.put(std::to_string(i), data, Durability::none).ok());
    // The first one does not wait: 4 x 64 KiB at 1 MiB/s.
    EXPECT_GE(system_clock().monotonic() - begin, ns_per_second / 4);
    begin = system_clock().monotonic();
    for (int i = 0; i < 5; ++i) EXPECT_EQ(storage.get(std::to_string(i), 1 << 20)->size(), data.size());
    EXPECT_GE(system_clock().monotonic() - begin, ns_per_second / 8);
}

TEST(ThrottledStorageTest, IsInterrupted) {
    std::stop_source stop;
    ThrottledStorage storage(std::make_unique<MemoryStorage>(), {1, 1}, stop.get_token(), system_clock());
    ASSERT_TRUE(storage.put("a", Bytes(1000), Durability::none).ok());
    stop.request_stop();
    EXPECT_EQ(storage.put("b", Bytes(1000), Durability::none).error().code(), ErrorCode::cancelled);
}

TEST(StorageTest, UnknownSchemesAreRefused) {
    EXPECT_EQ(open_storage("gopher://host/x", OpenMode::create).error().code(),
              ErrorCode::invalid_argument);
}

}  // namespace
}  // namespace holdfast
