#include "repository/object_mender.h"

#include <gtest/gtest.h>

#include <random>

#include "repository/object_io.h"
#include "storage/memory/memory_storage.h"

namespace holdfast {
namespace {

// What is mended of an object; empty if it cannot be.
Bytes mended(const Bytes& damaged) {
    MemoryStorage storage;
    EXPECT_TRUE(storage.put("object", damaged, Durability::immediate).ok());
    const auto mender = ObjectMender::open(storage, "object", damaged.size());
    if (!mender.ok()) return {};
    Bytes whole;
    const Status written = (*mender)->write([&](ByteSpan piece) -> Status {
        whole.insert(whole.end(), piece.begin(), piece.end());
        return {};
    });
    return written.ok() ? whole : Bytes();
}

// A smaller object may have most of its body and of its parity in one sector.
TEST(ObjectMenderTest, ALostSectorIsMendedWhereverItIs) {
    constexpr std::size_t sector = 4096;
    std::mt19937_64 engine(20261127);
    std::vector<std::size_t> sizes = {20'000, 123'456, 1'000'000};
    for (std::size_t bytes = 5000; bytes < 10'000; bytes += 97) sizes.push_back(bytes);
    for (const std::size_t bytes : sizes) {
        Bytes content(bytes);
        for (std::uint8_t& byte : content) byte = static_cast<std::uint8_t>(engine());
        const Bytes object =
            encode_clear_object(ObjectKind::key_slot, RepositoryId{}, content, system_random());
        for (std::size_t start = 0; start < object.size(); start += sector) {
            Bytes damaged = object;
            std::fill(damaged.begin() + static_cast<std::ptrdiff_t>(start),
                      damaged.begin() + static_cast<std::ptrdiff_t>(std::min(start + sector, object.size())), 0);
            EXPECT_TRUE(mended(damaged) == object) << bytes << " bytes of content, at " << start;
        }
    }
}

}  // namespace
}  // namespace holdfast
