#include <cstdlib>
#include <filesystem>
#include <thread>

#include "contract/storage_contract.h"
#include "storage/local/local_storage.h"
#include "storage/memory/memory_storage.h"
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

TEST(StorageTest, UnknownSchemesAreRefused) {
    EXPECT_EQ(open_storage("gopher://host/x", OpenMode::create).error().code(),
              ErrorCode::invalid_argument);
}

}  // namespace
}  // namespace holdfast
