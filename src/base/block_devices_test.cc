#include "base/block_devices.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "support/temporary_directory.h"

namespace holdfast {
namespace {

TEST(BlockDevicesTest, APathIsOnSomething) {
    const TemporaryDirectory directory;
    const auto devices = devices_below(directory.path());
    ASSERT_FALSE(devices.empty());
    EXPECT_EQ(devices_below(directory.path() + "/not/there/yet"), devices);
}

TEST(BlockDevicesTest, FileSystemsOfTheirOwnDiffer) {
    const auto proc = devices_below("/proc"), shared = devices_below("/dev/shm");
    ASSERT_EQ(proc.size(), 1u);
    EXPECT_TRUE(proc.front().starts_with("file system "));
    EXPECT_NE(proc, shared);
    EXPECT_NE(devices_below("/"), shared);
}

}  // namespace
}  // namespace holdfast
