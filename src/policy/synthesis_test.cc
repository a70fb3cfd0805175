#include "policy/synthesis.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

constexpr TimeNs day = 86'400 * ns_per_second;

TEST(Synthesis, Reason) {
    const SynthesisRule month{true, 30 * day, 0}, three{true, 0, 3}, off{false, day, 1}, never{true, 0, 0};
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

}  // namespace
}  // namespace holdfast
