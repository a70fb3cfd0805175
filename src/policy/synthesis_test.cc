#include "policy/synthesis.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

constexpr TimeNs day = 86'400 * ns_per_second;

TEST(Synthesis, Reason) {
    const SynthesisRule month{true, 30 * day, 0, 0}, three{true, 0, 3, 0}, off{false, day, 1, 0}, never{true, 0, 0, 0};
    const std::vector<SynthesisPoint> young{{0, true}, {day, false}, {2 * day, false}};
    const auto with = [](std::vector<SynthesisPoint> points, SynthesisPoint point) {
        points.push_back(point);
        return points;
    };
    EXPECT_EQ(synthesis_reason({}, {}, month, 90 * day), "");
    EXPECT_EQ(synthesis_reason(young, {}, month, 29 * day), "");
    EXPECT_EQ(synthesis_reason(young, {}, month, 30 * day), "the newest full is 30 days old");
    EXPECT_EQ(synthesis_reason(young, {}, three, 2 * day), "");
    EXPECT_EQ(synthesis_reason(with(young, {3 * day, false}), {}, three, 3 * day), "3 restore points follow the newest full");
    // A synthetic full has the time of what it was made from.
    EXPECT_EQ(synthesis_reason(with(young, {2 * day, true}), {}, month, 90 * day), "");
    EXPECT_EQ(synthesis_reason({{day, false}}, {}, month, 2 * day), "there is no full");
    EXPECT_EQ(synthesis_reason(young, {}, off, 90 * day), "");
    EXPECT_EQ(synthesis_reason(young, {}, never, 90 * day), "");
    // Retention has removed the full.
    const std::vector<SynthesisPoint> later{{20 * day, false}, {21 * day, false}};
    EXPECT_EQ(synthesis_reason(later, 0, month, 29 * day), "");
    EXPECT_EQ(synthesis_reason(later, 0, month, 31 * day), "the newest full is 31 days old");
    EXPECT_EQ(synthesis_reason(later, 20 * day, three, 31 * day), "");
    // A clock that went back makes nothing old.
    EXPECT_EQ(synthesis_reason({{50 * day, true}, {51 * day, false}}, {}, month, day), "");
}

TEST(Synthesis, Fragmentation) {
    const SynthesisRule rule{true, 0, 0, 150}, any{true, 0, 0, 0}, off{false, 0, 0, 150};
    const std::vector<SynthesisPoint> one{{0, true}, {day, false}};
    EXPECT_TRUE(asks_fragmentation(one, {}, rule));
    EXPECT_FALSE(asks_fragmentation(one, {}, any));
    EXPECT_FALSE(asks_fragmentation(one, {}, off));
    EXPECT_FALSE(asks_fragmentation({{0, true}}, {}, rule)) << "nothing is better than a full";
    EXPECT_FALSE(asks_fragmentation(one, day, rule)) << "the last full is remembered";
    EXPECT_EQ(fragmentation_reason(149, rule), "");
    EXPECT_EQ(fragmentation_reason(150, rule), "reading the newest restore point costs 150 % of what a full does");
    EXPECT_EQ(fragmentation_reason(900, any), "");
}

}  // namespace
}  // namespace holdfast
