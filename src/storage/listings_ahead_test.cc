#include "storage/listings_ahead.h"

#include <gtest/gtest.h>

#include <atomic>
#include <semaphore>

#include "storage/memory/memory_storage.h"
#include "support/hooked_storage.h"

namespace holdfast {
namespace {

class ListingsAheadTest : public testing::Test {
  protected:
    ListingsAheadTest() { EXPECT_TRUE(objects_->put("marks/a", Bytes(1), Durability::immediate).ok()); }
    HookedStorage storage(bool is_remote) {
        const auto hook = [this](std::string_view operation, const std::string&) -> Status {
            if (operation == "list") {
                ++listings_;
                listed_.release();
            }
            return failure_;
        };
        return {objects_, hook, nullptr, StorageTraits{.is_remote = is_remote}};
    }

    std::shared_ptr<MemoryStorage> objects_ = std::make_shared<MemoryStorage>();
    std::atomic<int> listings_ = 0;
    std::counting_semaphore<> listed_{0};
    Status failure_;
};

TEST_F(ListingsAheadTest, FarAwayItIsUnderWayBeforeItIsTakenAndTakenOnce) {
    HookedStorage far = storage(true);
    ListingsAhead ahead;
    ahead.begin(far, "marks/");
    listed_.acquire();
    EXPECT_EQ(ahead.take(far, "marks/").value().size(), 1u);
    EXPECT_EQ(listings_, 1);
    // What has been stored since is in the next one.
    ASSERT_TRUE(objects_->put("marks/b", Bytes(1), Durability::immediate).ok());
    EXPECT_EQ(ahead.take(far, "marks/").value().size(), 2u);
    EXPECT_TRUE(ahead.take(far, "points/").value().empty());
    EXPECT_EQ(listings_, 3);
}

TEST_F(ListingsAheadTest, NearbyItIsListedWhenItIsTaken) {
    HookedStorage near = storage(false);
    ListingsAhead ahead;
    ahead.begin(near, "marks/");
    ahead.begin(near, "points/");
    ASSERT_TRUE(objects_->put("marks/b", Bytes(1), Durability::immediate).ok());
    EXPECT_EQ(listings_, 0);
    EXPECT_EQ(ahead.take(near, "marks/").value().size(), 2u);
    EXPECT_EQ(listings_, 1);
}

TEST_F(ListingsAheadTest, AnErrorIsToldOnceAndThenItIsTriedAgain) {
    for (const bool is_remote : {true, false}) {
        HookedStorage asked = storage(is_remote);
        ListingsAhead ahead;
        failure_ = Error(ErrorCode::unavailable, "as the test wants it");
        ahead.begin(asked, "marks/");
        EXPECT_EQ(ahead.take(asked, "marks/").error().code(), ErrorCode::unavailable);
        failure_ = {};
        EXPECT_EQ(ahead.take(asked, "marks/").value().size(), 1u);
    }
}

}  // namespace
}  // namespace holdfast
