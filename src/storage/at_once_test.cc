#include "storage/at_once.h"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <numeric>
#include <thread>

#include "storage/memory/memory_storage.h"
#include "support/hooked_storage.h"

namespace holdfast {
namespace {

class AtOnceTest : public testing::Test {
  protected:
    static HookedStorage storage(bool is_remote) {
        return {std::make_shared<MemoryStorage>(), [](std::string_view, const std::string&) { return ok_status(); }, nullptr,
                StorageTraits{.is_remote = is_remote}};
    }
    // Asks for each of `items`, answers being twice as much, and returns what was taken.
    Result<std::vector<int>> ask(const Storage& storage, const std::function<int(int)>& answer) {
        std::vector<int> taken;
        HF_TRY_STATUS(ask_for_each(
            storage, std::span<const int>(items_),
            [&](int item) {
                ++asked_;
                return answer(item);
            },
            [&](int item, int got) -> Status {
                EXPECT_EQ(got, 2 * item);
                if (item == error_at_) return Error(ErrorCode::unavailable, "as the test wants it");
                taken.push_back(item);
                return {};
            },
            4));
        return taken;
    }

    std::vector<int> items_ = [] {
        std::vector<int> items(10);
        std::iota(items.begin(), items.end(), 0);
        return items;
    }();
    int error_at_ = -1;
    std::atomic<int> asked_ = 0;
};

TEST_F(AtOnceTest, FarAwaySoManyAreUnderWayAndTakenInTheirOrder) {
    std::mutex mutex;
    std::condition_variable changed;
    int under_way = 0, most = 0;
    std::map<int, int> begun;  // of each four
    const auto taken = ask(storage(true), [&](int item) {
        std::unique_lock lock(mutex);
        most = std::max(most, ++under_way);
        ++begun[item / 4];
        changed.notify_all();
        // No answer comes before all of its four are asked for; the last are two.
        EXPECT_TRUE(changed.wait_for(lock, std::chrono::seconds(60),
                                     [&] { return begun[item / 4] == std::min(4, 10 - item / 4 * 4); }));
        --under_way;
        return 2 * item;
    });
    ASSERT_TRUE(taken.ok());
    EXPECT_EQ(*taken, items_);
    EXPECT_EQ(most, 4);
}

TEST_F(AtOnceTest, NearbyOneIsAskedAfterTheOther) {
    const std::thread::id here = std::this_thread::get_id();
    const auto taken = ask(storage(false), [&](int item) {
        EXPECT_EQ(std::this_thread::get_id(), here);
        return 2 * item;
    });
    ASSERT_TRUE(taken.ok());
    EXPECT_EQ(*taken, items_);
}

TEST_F(AtOnceTest, AnErrorEndsItWithWhatIsUnderWay) {
    error_at_ = 1;
    EXPECT_FALSE(ask(storage(false), [](int item) { return 2 * item; }).ok());
    EXPECT_EQ(asked_, 2);
    asked_ = 0;
    EXPECT_FALSE(ask(storage(true), [](int item) { return 2 * item; }).ok());
    EXPECT_LE(asked_, 4);
}

}  // namespace
}  // namespace holdfast
