#include "policy/calendar.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cstdlib>
#include <ctime>

namespace holdfast {
namespace {

std::int64_t utc(TimeNs) {
    return 0;
}

TimeNs at(const char* time) {
    return parse_rfc3339(time).value();
}

// The next `count` times after `from`.
std::vector<std::string> times(const char* text, const char* from, int count, const ZoneOffset& zone = utc) {
    const Calendar calendar = parse_calendar(text).value();
    std::vector<std::string> result;
    TimeNs time = at(from);
    for (int i = 0; i < count; ++i) {
        const auto next = next_time(calendar, time, zone);
        if (!next) break;
        time = *next;
        result.push_back(format_rfc3339(time));
    }
    return result;
}

using Texts = std::vector<std::string>;

TEST(Calendar, Times) {
    const struct {
        const char* text;
        const char* from;
        Texts expected;
    } cases[] = {
        {"daily", "2026-03-01T12:00:00Z", {"2026-03-02T00:00:00Z", "2026-03-03T00:00:00Z"}},
        {"daily", "2026-03-01T00:00:00Z", {"2026-03-02T00:00:00Z"}},
        {"hourly", "2026-03-01T23:59:59.9Z", {"2026-03-02T00:00:00Z", "2026-03-02T01:00:00Z"}},
        {"weekly", "2026-11-27", {"2026-11-30T00:00:00Z", "2026-12-07T00:00:00Z"}},
        {"monthly", "2026-11-27", {"2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"}},
        {"quarterly", "2026-11-27", {"2027-01-01T00:00:00Z", "2027-04-01T00:00:00Z"}},
        {"yearly", "2026-11-27", {"2027-01-01T00:00:00Z"}},
        {"Mon..Fri 02:30", "2026-11-27T02:30:00Z", {"2026-11-30T02:30:00Z", "2026-12-01T02:30:00Z"}},
        {"sat,Sunday 22:00", "2026-11-27", {"2026-11-28T22:00:00Z", "2026-11-29T22:00:00Z", "2026-12-05T22:00:00Z"}},
        {"*-*-01 04:00", "2026-11-27", {"2026-12-01T04:00:00Z"}},
        {"02-29", "2026-11-27", {"2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"}},
        {"0/6:15", "2026-11-27T07:00:00Z", {"2026-11-27T12:15:00Z", "2026-11-27T18:15:00Z", "2026-11-28T00:15:00Z"}},
        {"8..17/4:00,30", "2026-11-27T08:00:00Z", {"2026-11-27T08:30:00Z", "2026-11-27T12:00:00Z"}},
        {"Sat *-*-1..7 03:00:30", "2026-11-27", {"2026-12-05T03:00:30Z", "2027-01-02T03:00:30Z"}},
        {"2027..2031/2-06-01", "2026-11-27", {"2027-06-01T00:00:00Z", "2029-06-01T00:00:00Z", "2031-06-01T00:00:00Z"}},
        {"*-02-30", "2026-11-27", {}},
        {"2020-01-01", "2026-11-27", {}}};
    for (const auto& one : cases) {
        const int count = one.expected.empty() ? 1 : static_cast<int>(one.expected.size());
        EXPECT_EQ(times(one.text, one.from, count), one.expected) << one.text;
    }
}

TEST(Calendar, WhatIsNone) {
    for (const char* text : {"", " ", "never", "Mon.. 02:30", "Fri..Mon", "25:00", "12:60", "12", "*-13-01", "*-*-32",
                             "*-*-00", "*/5:00", "0/0:00", "10..8:00", "1,:00", "12:00 Europe/Paris", "Mon,",
                             "12:00 13:00", "2026-01-01 12:00:00.5", "*-*~01", "99999-01-01", "1:2:3:4", "-1:00"})
        EXPECT_FALSE(parse_calendar(text).ok()) << text;
}

class Paris : public testing::Test {
  protected:
    void SetUp() override {
        if (const char* zone = std::getenv("TZ")) before_ = zone;
        ::setenv("TZ", "Europe/Paris", 1);
        ::tzset();
    }
    void TearDown() override {
        if (before_) ::setenv("TZ", before_->c_str(), 1);
        else ::unsetenv("TZ");
        ::tzset();
    }
    std::optional<std::string> before_;
};

TEST_F(Paris, ClocksGoForward) {
    // 2026-03-29: 02:00 is 03:00, at 01:00 UTC.
    EXPECT_EQ(times("02:30", "2026-03-28T12:00:00Z", 3, local_zone_offset),
              (Texts{"2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z", "2026-03-31T00:30:00Z"}));
    // What is skipped comes once, and not beside what stands there anyway.
    EXPECT_EQ(times("*:00,30", "2026-03-29T00:00:00Z", 4, local_zone_offset),
              (Texts{"2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z", "2026-03-29T02:00:00Z"}));
    EXPECT_EQ(times("daily", "2026-03-28T00:00:00Z", 3, local_zone_offset),
              (Texts{"2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z", "2026-03-30T22:00:00Z"}));
}

TEST_F(Paris, ClocksGoBack) {
    // 2026-10-25: 03:00 is 02:00, at 01:00 UTC.
    EXPECT_EQ(times("02:30", "2026-10-24T12:00:00Z", 2, local_zone_offset),
              (Texts{"2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"}));
    EXPECT_EQ(times("hourly", "2026-10-24T23:00:00Z", 3, local_zone_offset),
              (Texts{"2026-10-25T00:00:00Z", "2026-10-25T02:00:00Z", "2026-10-25T03:00:00Z"}));
    // From within the hour that comes a second time.
    EXPECT_EQ(times("02:45", "2026-10-25T01:30:00Z", 1, local_zone_offset), (Texts{"2026-10-26T01:45:00Z"}));
}

TEST(Calendar, Crontab) {
    const auto fields = [](const char* text) { return crontab_fields(parse_calendar(text).value()); };
    EXPECT_EQ(*fields("daily"), "0 0 * * *");
    EXPECT_EQ(*fields("Mon..Fri 02:30"), "30 2 * * 1-5");
    EXPECT_EQ(*fields("Sun 0/6:15"), "15 0,6,12,18 * * 7");
    EXPECT_EQ(*fields("*-1,3-01 04:00"), "0 4 1 1,3 *");
    EXPECT_EQ(*fields("minutely"), "* * * * *");
    for (const char* text : {"12:00:30", "2027-*-* 12:00", "Sat *-*-1..7 03:00"})
        EXPECT_EQ(fields(text).error().code(), ErrorCode::unsupported) << text;
}

// Each time is a time of the calendar, and later than the one before.
RC_GTEST_PROP(Calendar, TimesFollowEachOther, ()) {
    const auto hours = *rc::gen::inRange(0, 24), minutes = *rc::gen::inRange(0, 60), day = *rc::gen::inRange(1, 29);
    const auto from = *rc::gen::inRange<std::int64_t>(0, 4'000'000'000) * ns_per_second;
    const std::string text = "*-*-" + std::to_string(day) + " " + std::to_string(hours) + ":" + std::to_string(minutes);
    const Calendar calendar = parse_calendar(text).value();
    const auto zone = [](TimeNs time) -> std::int64_t { return time / ns_per_second / 7'000'000 % 2 == 0 ? 3600 : 7200; };
    TimeNs time = from;
    for (int i = 0; i < 5; ++i) {
        const auto next = next_time(calendar, time, zone);
        RC_ASSERT(next.has_value());
        RC_ASSERT(*next > time);
        RC_ASSERT(*next - time < 33 * 86'400 * ns_per_second);
        time = *next;
    }
}

}  // namespace
}  // namespace holdfast
