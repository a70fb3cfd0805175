// Times that come again, in a subset of systemd's calendar events (systemd.time(7)): "daily",
// "Mon..Fri 02:30", "*-*-01 04:00", "Sat *-*-1..7 0/6:15".
#pragma once

#include <bitset>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "policy/retention.h"

namespace holdfast {

struct CalendarYears {
    int first = 0, last = 9999, step = 1;
    bool operator==(const CalendarYears&) const = default;
};

// Which days, and which seconds of them.
struct Calendar {
    std::bitset<7> weekdays;  // 0 is Monday
    std::vector<CalendarYears> years;
    std::bitset<13> months;  // 1 to 12
    std::bitset<32> days;    // 1 to 31
    std::bitset<24> hours;
    std::bitset<60> minutes, seconds;

    bool operator==(const Calendar&) const = default;
};

// [WEEKDAYS] [[YEAR-]MONTH-DAY] [HOUR:MINUTE[:SECOND]], or minutely, hourly, daily, weekly, monthly, quarterly,
// semiannually, yearly, annually. Weekdays: names, lists with ',', ranges with '..'. Numbers: '*', or a list with ',' of
// a number, a range with '..', each with a step behind '/'. All that it takes means the same to systemd.
// Errors: invalid_argument.
Result<Calendar> parse_calendar(std::string_view text);

// The first moment after `after`, in local time. One that the clocks skip when they go forward comes at the moment
// when they do; one that they show twice comes once, the first time. Nothing: none before the year 2200. Pure.
std::optional<TimeNs> next_time(const Calendar& calendar, TimeNs after, const ZoneOffset& zone);

// The same times as the first five fields of a crontab's line.
// Errors: unsupported where cron has no words for it.
Result<std::string> crontab_fields(const Calendar& calendar);

// The zone of the process (TZ).
std::int64_t local_zone_offset(TimeNs time);

}  // namespace holdfast
