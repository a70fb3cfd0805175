// Which restore points of a source stay. docs/how-to/prune.md.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/clock.h"

namespace holdfast {

// A stretch of time as people name it: calendar months and years differ in length.
struct CalendarPeriod {
    unsigned years = 0, months = 0, days = 0, hours = 0;
    bool operator==(const CalendarPeriod&) const = default;
};
// Reads "2y5m7d3h": any of the four, in this order, at least one, each at most 10,000 (a week is 7d).
// Errors: invalid_argument.
Result<CalendarPeriod> parse_period(std::string_view text);

// What a user asks to be kept; a point stays when any rule wants it. 0 is no rule.
struct RetentionRules {
    unsigned last = 0, hourly = 0, daily = 0, weekly = 0, monthly = 0, yearly = 0;
    std::optional<CalendarPeriod> within;  // before the newest point
    std::vector<std::string> tags;         // points that have any of them

    // Nothing is asked for: everything stays.
    bool empty() const;
};

struct RetentionPoint {
    TimeNs time = 0;
    std::vector<std::string> tags;
    bool is_held = false;
};

struct RetentionDecision {
    std::vector<std::string> reasons;  // why it stays, such as "daily 3"; empty: it goes
    bool stays() const { return !reasons.empty(); }
};

// Seconds that local time is ahead of UTC at a moment; days and weeks begin at local midnight.
using ZoneOffset = std::function<std::int64_t(TimeNs)>;

// Decides about all points of one source; result[i] is of points[i], whatever their order.
//
// Buckets: of each of the last N hours, days, ISO weeks, months, years that have points, the newest
// point stays; while a rule has not used up its N, the oldest point stays too, so that a young history
// grows into the long periods.
// Clocks that jump expire nothing early: points from after `now` stay and count for nothing; and where
// more than five years lie between two points, each side is decided for itself.
// Pure: depends on nothing but its arguments.
std::vector<RetentionDecision> decide_retention(const std::vector<RetentionPoint>& points,
                                                const RetentionRules& rules,
                                                TimeNs now,
                                                const ZoneOffset& zone);

}  // namespace holdfast
