#include "repository/thaw.h"

#include <gtest/gtest.h>

#include <climits>
#include <thread>

#include "base/random.h"
#include "support/memory_cold_tier.h"

namespace holdfast {
namespace {

using State = Readability::State;

struct World {
    ManualClock clock{1000 * ns_per_second};
    Random& random = system_random();
    Progress progress;
    std::stop_source stop;
    MemoryColdTier tier;
    ThawOptions options;

    explicit World(int looks = 1) : tier(clock, looks) { options.first_pause = options.longest_pause = ns_per_second / 1000; }
    Thaw thaw(const PackSizes& packs) {
        return Thaw(&tier, packs, options, clock, random, progress, stop.get_token());
    }
};

TEST(ThawTest, APlanCountsWhatCanBeReadAndWhatCannot) {
    World world(2);
    for (const char* const name : {"b", "c", "d"}) world.tier.freeze(name);
    ASSERT_TRUE(world.tier.thaw(std::vector<std::string>{"c", "d"}, {}).ok());
    ASSERT_TRUE(world.tier.look(std::vector<std::string>{"d"}, [](const std::string&, const Readability&) {}).ok());
    Thaw thaw = world.thaw({{"a", 1}, {"b", 10}, {"c", 100}, {"d", 1000}});
    ASSERT_TRUE(thaw.look().ok());
    const ThawPlan plan = thaw.plan();
    ASSERT_EQ(plan.packs.size(), 4u);
    EXPECT_EQ(plan.packs[0].is, Readability{});
    EXPECT_EQ(plan.packs[1].is.state, State::frozen);
    EXPECT_EQ(plan.packs[2].is.state, State::thawing);
    EXPECT_EQ(plan.packs[3].is.state, State::readable);
    EXPECT_EQ(plan.all.bytes, 1111u);
    EXPECT_EQ(plan.readable.bytes, 1001u);
    EXPECT_EQ(plan.frozen.bytes, 10u);
    EXPECT_EQ(plan.thawing.bytes, 100u);
    EXPECT_EQ(plan.unreadable().packs, 2u);
    EXPECT_EQ(plan.readable_until, world.clock.now() + world.tier.keeps);
}

TEST(ThawTest, WhatIsFrozenIsAskedForOnceAndWaitedFor) {
    World world(3);
    for (const char* const name : {"b", "c"}) world.tier.freeze(name);
    {
        // One that was killed while it waited.
        Thaw thaw = world.thaw({{"a", 1}, {"b", 1}});
        ASSERT_TRUE(thaw.look().ok());
        EXPECT_EQ(thaw.ask().value(), 1u);
    }
    Thaw thaw = world.thaw({{"a", 1}, {"b", 1}, {"c", 1}});
    ASSERT_TRUE(thaw.wait().ok());
    EXPECT_EQ(world.tier.asked, (std::vector<std::string>{"b", "c"}));
    EXPECT_EQ(thaw.plan().readable.packs, 3u);
    EXPECT_EQ(world.progress.frozen_packs, 0u);
}

TEST(ThawTest, ACopyThatHasExpiredIsAskedForAgain) {
    World world;
    for (const char* const name : {"a", "b"}) world.tier.freeze(name);
    Thaw thaw = world.thaw({{"a", 1}, {"b", 1}});
    ASSERT_TRUE(thaw.wait().ok());
    world.clock.advance(world.tier.keeps);
    EXPECT_FALSE(world.tier.read("a").ok());
    ASSERT_TRUE(thaw.wait_for("a").ok());
    EXPECT_TRUE(world.tier.read("a").ok());
    // The other one with it, so that it need not be waited for as long again.
    EXPECT_EQ(world.tier.asked, (std::vector<std::string>{"a", "b", "a", "b"}));
    ASSERT_TRUE(thaw.wait_for("a").ok());
    EXPECT_EQ(world.tier.asked.size(), 4u);
}

TEST(ThawTest, WhatIsNotThereIsNotWaitedFor) {
    World world;
    world.tier.missing.insert("a");
    ASSERT_TRUE(world.thaw({{"a", 1}}).wait().ok());
    EXPECT_TRUE(world.tier.asked.empty());
}

TEST(ThawTest, AnInterruptionEndsTheWaiting) {
    World world(INT_MAX);
    world.tier.freeze("a");
    world.options.first_pause = world.options.longest_pause = 3600 * ns_per_second;
    Thaw thaw = world.thaw({{"a", 1}});
    std::jthread interrupts([&world] { world.stop.request_stop(); });
    EXPECT_EQ(thaw.wait().error().code(), ErrorCode::cancelled);
}

TEST(ThawTest, WithoutAColdTierAllCanBeRead) {
    World world;
    Thaw thaw(nullptr, {{"a", 7}}, world.options, world.clock, world.random, world.progress, {});
    ASSERT_TRUE(thaw.look().ok());
    EXPECT_EQ(thaw.ask().value(), 0u);
    ASSERT_TRUE(thaw.wait().ok());
    EXPECT_EQ(thaw.plan().readable.bytes, 7u);
}

}  // namespace
}  // namespace holdfast
