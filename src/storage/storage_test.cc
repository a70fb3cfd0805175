#include <cstdlib>

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

TEST(StorageTest, UnknownSchemesAreRefused) {
    EXPECT_EQ(open_storage("gopher://host/x", OpenMode::create).error().code(),
              ErrorCode::invalid_argument);
}

}  // namespace
}  // namespace holdfast
