#include <gtest/gtest.h>

#include "storage/spool/spooled_writer.h"

namespace holdfast {
namespace {

TEST(SpooledWriterTest, WhatIsCollectedIsStoredWhole) {
    for (const std::size_t piece : {0u, 1000u, 1u << 20, (1u << 20) + 1, 3u << 20})
        for (const std::size_t pieces : {0u, 1u, 2u, 7u}) {
            Bytes expected, stored{1};
            SpooledWriter writer([&stored](ByteSpan whole) {
                stored.assign(whole.begin(), whole.end());
                return ok_status();
            });
            for (std::size_t i = 0; i < pieces; ++i) {
                const Bytes part(piece, static_cast<std::uint8_t>(i));
                expected.insert(expected.end(), part.begin(), part.end());
                ASSERT_TRUE(writer.append(part).ok());
            }
            ASSERT_TRUE(writer.commit(Durability::immediate).ok());
            EXPECT_EQ(stored, expected) << pieces << " x " << piece;
        }
}

TEST(SpooledWriterTest, WhatTheStorageSaysIsTheOutcome) {
    SpooledWriter writer([](ByteSpan) { return Status(Error(ErrorCode::already_exists, "x")); });
    EXPECT_EQ(writer.commit(Durability::immediate).error().code(), ErrorCode::already_exists);
}

}  // namespace
}  // namespace holdfast
