#include "policy/retention.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>

namespace holdfast {
namespace {

const ZoneOffset utc = [](TimeNs) { return std::int64_t{0}; };

TimeNs at(const char* text) {
    return parse_rfc3339(text).value();
}

// One test of the table: points by their times, rules, and which stay.
struct Case {
    const char* name;
    std::vector<const char*> times;
    RetentionRules rules;
    const char* now;
    std::vector<std::size_t> staying;
    ZoneOffset zone = utc;
};

RetentionRules rules_with(unsigned RetentionRules::*rule, unsigned count) {
    RetentionRules rules;
    rules.*rule = count;
    return rules;
}

RetentionRules within(const char* period) {
    RetentionRules rules;
    rules.within = parse_period(period).value();
    return rules;
}

std::vector<std::size_t> staying(const std::vector<RetentionPoint>& points,
                                 const RetentionRules& rules,
                                 TimeNs now,
                                 const ZoneOffset& zone = utc) {
    const auto decisions = decide_retention(points, rules, now, zone);
    std::vector<std::size_t> result;
    for (std::size_t i = 0; i < decisions.size(); ++i)
        if (decisions[i].stays()) result.push_back(i);
    return result;
}

TEST(RetentionTest, Table) {
    const Case cases[] = {
        {"no rules keep everything", {"2020-01-01", "2020-01-02"}, {}, "2026-01-01", {0, 1}},
        {"nothing", {}, rules_with(&RetentionRules::last, 3), "2026-01-01", {}},
        {"last", {"2026-01-03", "2026-01-01", "2026-01-02"}, rules_with(&RetentionRules::last, 2),
         "2026-02-01", {0, 2}},
        {"hourly: the newest of each hour, and the oldest of all",
         {"2026-01-01T10:05:00Z", "2026-01-01T10:55:00Z", "2026-01-01T11:00:00Z",
          "2026-01-01T13:00:00Z"},
         rules_with(&RetentionRules::hourly, 4), "2026-02-01", {0, 1, 2, 3}},
        {"hourly, used up", {"2026-01-01T10:05:00Z", "2026-01-01T10:55:00Z", "2026-01-01T11:00:00Z"},
         rules_with(&RetentionRules::hourly, 2), "2026-02-01", {1, 2}},
        {"daily counts days that have points", {"2026-01-01", "2026-01-05", "2026-01-09"},
         rules_with(&RetentionRules::daily, 2), "2026-02-01", {1, 2}},
        {"daily by local midnight",
         {"2026-01-01T22:30:00Z", "2026-01-01T23:30:00Z", "2026-01-02T12:00:00Z"},
         rules_with(&RetentionRules::daily, 2), "2026-02-01", {0, 2},
         [](TimeNs) { return std::int64_t{3600}; }},
        {"weeks begin on Monday", {"2026-01-04T12:00:00Z", "2026-01-05T12:00:00Z", "2026-01-11"},
         rules_with(&RetentionRules::weekly, 2), "2026-02-01", {0, 2}},
        {"a week across the years", {"2025-12-29", "2026-01-04", "2026-01-05"},
         rules_with(&RetentionRules::weekly, 2), "2026-02-01", {1, 2}},
        {"monthly", {"2025-12-31", "2026-01-01", "2026-01-31", "2026-02-01"},
         rules_with(&RetentionRules::monthly, 3), "2026-03-01", {0, 2, 3}},
        {"yearly, and the oldest while there is room", {"2024-03-01", "2024-06-01", "2025-01-01"},
         rules_with(&RetentionRules::yearly, 5), "2026-03-01", {0, 1, 2}},
        {"before 1970", {"1969-12-31T23:59:59Z", "1970-01-01"},
         rules_with(&RetentionRules::daily, 2), "2026-03-01", {0, 1}},
        {"within counts from the newest point", {"2026-01-01", "2026-01-10", "2026-01-31"},
         within("21d"), "2026-12-01", {1, 2}},
        {"within a month has its length", {"2026-02-27", "2026-02-28", "2026-03-31"}, within("1m"),
         "2026-12-01", {1, 2}},
        {"within years and hours", {"2024-01-01T11:59:59Z", "2024-01-01T12:00:00Z", "2025-01-01T13:00:00Z"},
         within("1y1h"), "2026-12-01", {1, 2}},
        {"points from the future stay and use nothing up", {"2026-01-01", "2026-01-02", "2036-01-01"},
         rules_with(&RetentionRules::last, 1), "2026-02-01", {1, 2}},
        {"the clock went ten years ahead and a backup was made",
         {"2026-01-01", "2026-01-02", "2036-01-02"}, rules_with(&RetentionRules::last, 1),
         "2036-01-03", {1, 2}},
        {"the clock went ten years ahead: within does not ask the clock",
         {"2026-01-01", "2026-01-02"}, within("30d"), "2036-01-03", {0, 1}},
        {"the clock went ten years back", {"2026-01-01", "2026-01-02", "2026-01-03"},
         rules_with(&RetentionRules::last, 1), "2016-01-01", {0, 1, 2}},
        {"the clock went ten years back and a backup was made",
         {"2026-01-01", "2026-01-02", "2016-01-03"}, rules_with(&RetentionRules::daily, 1),
         "2026-01-04", {1, 2}},
        {"a pause of four years is a pause", {"2022-01-01", "2026-01-01"},
         rules_with(&RetentionRules::last, 1), "2026-01-02", {1}}};
    for (const Case& one : cases) {
        std::vector<RetentionPoint> points;
        for (const char* time : one.times) points.push_back({at(time), {}, false});
        EXPECT_EQ(staying(points, one.rules, at(one.now), one.zone), one.staying) << one.name;
    }
}

TEST(RetentionTest, TagsAndHeldPointsStay) {
    const std::vector<RetentionPoint> points{
        {1, {"a", "b"}, false}, {2, {"c"}, false}, {3, {}, true}, {4, {}, false}, {5, {}, false}};
    RetentionRules rules = rules_with(&RetentionRules::last, 1);
    rules.tags = {"b", "x"};
    EXPECT_EQ(staying(points, rules, at("2026-01-01")), (std::vector<std::size_t>{0, 2, 4}));
    const auto decisions = decide_retention(points, rules, at("2026-01-01"), utc);
    EXPECT_EQ(decisions[0].reasons, std::vector<std::string>{"tag b"});
    EXPECT_EQ(decisions[2].reasons, std::vector<std::string>{"held"});
    EXPECT_EQ(decisions[4].reasons, std::vector<std::string>{"last 1"});
}

TEST(RetentionTest, Periods) {
    EXPECT_EQ(parse_period("2y5m7d3h").value(), (CalendarPeriod{2, 5, 7, 3}));
    EXPECT_EQ(parse_period("30d").value(), (CalendarPeriod{0, 0, 30, 0}));
    for (const char* bad : {"", "d", "7", "7w", "3h2d", "0d", "-1d", "99999d", "1d ", "1d1d"})
        EXPECT_FALSE(parse_period(bad).ok()) << bad;
}

// More rules, or higher numbers, never keep less; the order of the points does not matter; deciding
// again about what stayed takes nothing more away.
TEST(RetentionProperty, MonotonicAndStable) {
    const bool holds = rc::check([] {
        const auto hours = *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 60'000));
        std::vector<RetentionPoint> points;
        for (const int hour : hours) points.push_back({hour * 3600 * ns_per_second, {}, false});
        RetentionRules rules;
        for (auto rule : {&RetentionRules::last, &RetentionRules::hourly, &RetentionRules::daily,
                          &RetentionRules::weekly, &RetentionRules::monthly, &RetentionRules::yearly})
            rules.*rule = *rc::gen::inRange(0u, 6u);
        const TimeNs now = 60'000 * 3600 * ns_per_second;
        const auto stay = staying(points, rules, now);
        RetentionRules more = rules;
        ++more.daily;
        ++more.monthly;
        if (!rules.empty()) {
            const auto stay_more = staying(points, more, now);
            RC_ASSERT(std::includes(stay_more.begin(), stay_more.end(), stay.begin(), stay.end()));
        }
        std::vector<RetentionPoint> kept;
        for (const std::size_t i : stay) kept.push_back(points[i]);
        std::vector<std::size_t> all(kept.size());
        for (std::size_t i = 0; i < all.size(); ++i) all[i] = i;
        RC_ASSERT(staying(kept, rules, now) == all);
        if (!points.empty()) RC_ASSERT(!stay.empty());
    });
    EXPECT_TRUE(holds);
}

}  // namespace
}  // namespace holdfast
