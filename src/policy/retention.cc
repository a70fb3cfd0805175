#include "policy/retention.h"

#include <algorithm>
#include <chrono>
#include <numeric>

namespace holdfast {
namespace {

using std::chrono::days;
using std::chrono::sys_days;
using std::chrono::year_month_day;

constexpr std::int64_t seconds_per_hour = 3600, seconds_per_day = 24 * seconds_per_hour;
// Longer than any pause between backups, shorter than the jump of a clock that starts at its epoch.
constexpr TimeNs clock_jump = 5 * 365 * seconds_per_day * ns_per_second;

// Rounds towards the past.
std::int64_t floor_divide(std::int64_t value, std::int64_t by) {
    return value / by - (value % by < 0 ? 1 : 0);
}

std::int64_t local_seconds(TimeNs time, const ZoneOffset& zone) {
    return floor_divide(time, ns_per_second) + zone(time);
}

year_month_day date_of(std::int64_t local) {
    return year_month_day(sys_days(days(floor_divide(local, seconds_per_day))));
}

std::int64_t hour_of(std::int64_t local) {
    return floor_divide(local, seconds_per_hour);
}
std::int64_t day_of(std::int64_t local) {
    return floor_divide(local, seconds_per_day);
}
// Weeks begin on Monday, as in ISO 8601; 1970-01-01 was a Thursday.
std::int64_t week_of(std::int64_t local) {
    return floor_divide(day_of(local) + 3, 7);
}
std::int64_t month_of(std::int64_t local) {
    const year_month_day date = date_of(local);
    return static_cast<int>(date.year()) * std::int64_t{12} +
           static_cast<unsigned>(date.month());
}
std::int64_t year_of(std::int64_t local) {
    return static_cast<int>(date_of(local).year());
}

struct Bucket {
    const char* name;
    unsigned RetentionRules::*count;
    std::int64_t (*number)(std::int64_t local);
};
constexpr Bucket buckets[] = {{"hourly", &RetentionRules::hourly, hour_of},
                              {"daily", &RetentionRules::daily, day_of},
                              {"weekly", &RetentionRules::weekly, week_of},
                              {"monthly", &RetentionRules::monthly, month_of},
                              {"yearly", &RetentionRules::yearly, year_of}};

// The moment that is `period` before `time`, in local time; a day that the month does not have is its
// last one.
TimeNs before(TimeNs time, const CalendarPeriod& period, const ZoneOffset& zone) {
    const std::int64_t local = local_seconds(time, zone);
    year_month_day date = date_of(local) - std::chrono::years(static_cast<int>(period.years)) -
                          std::chrono::months(static_cast<int>(period.months));
    if (!date.ok()) date = sys_days(date.year() / date.month() / std::chrono::last);
    const std::int64_t day = sys_days(date).time_since_epoch().count() - std::int64_t{period.days};
    const std::int64_t seconds = day * seconds_per_day + (local - day_of(local) * seconds_per_day) -
                                 std::int64_t{period.hours} * seconds_per_hour;
    // The offset of then, not of now: at a change of the clocks the difference is an hour.
    const std::int64_t utc = seconds - zone(time);
    return utc < INT64_MIN / ns_per_second ? INT64_MIN : utc * ns_per_second;
}

class Decider {
  public:
    Decider(const std::vector<RetentionPoint>& points,
            const RetentionRules& rules,
            const ZoneOffset& zone)
        : points_(points), rules_(rules), zone_(zone), decisions_(points.size()) {}

    std::vector<RetentionDecision> decide(TimeNs now) {
        std::vector<std::size_t> order(points_.size());
        std::iota(order.begin(), order.end(), std::size_t{0});
        // Newest first.
        std::stable_sort(order.begin(), order.end(), [this](std::size_t a, std::size_t b) {
            return points_[a].time > points_[b].time;
        });
        decide_alone(order, now);
        const auto present = std::find_if(order.begin(), order.end(), [&](std::size_t i) {
            return points_[i].time <= now;
        });
        order.erase(order.begin(), present);
        for (std::size_t begin = 0; begin < order.size();) {
            std::size_t end = begin + 1;
            while (end < order.size() && is_near(order[end - 1], order[end])) ++end;
            decide_together({order.begin() + static_cast<std::ptrdiff_t>(begin),
                             order.begin() + static_cast<std::ptrdiff_t>(end)});
            begin = end;
        }
        return std::move(decisions_);
    }

  private:
    bool is_near(std::size_t later, std::size_t earlier) const {
        // The difference of times of either sign may not fit.
        const auto gap = static_cast<std::uint64_t>(points_[later].time) -
                         static_cast<std::uint64_t>(points_[earlier].time);
        return gap <= static_cast<std::uint64_t>(clock_jump);
    }

    void keep(std::size_t i, std::string reason) {
        decisions_[i].reasons.push_back(std::move(reason));
    }

    // What does not depend on other points.
    void decide_alone(const std::vector<std::size_t>& order, TimeNs now) {
        for (const std::size_t i : order) {
            const RetentionPoint& point = points_[i];
            if (rules_.empty()) keep(i, "no rule");
            if (point.is_held) keep(i, "held");
            if (point.time > now) keep(i, "its time is still to come");
            for (const std::string& tag : rules_.tags)
                if (std::find(point.tags.begin(), point.tags.end(), tag) != point.tags.end())
                    keep(i, "tag " + tag);
        }
    }

    // Points between which no clock jumped, newest first.
    void decide_together(const std::vector<std::size_t>& order) {
        for (std::size_t k = 0; k < order.size() && k < rules_.last; ++k)
            keep(order[k], "last " + std::to_string(k + 1));
        if (rules_.within) {
            const TimeNs limit = before(points_[order[0]].time, *rules_.within, zone_);
            for (const std::size_t i : order)
                if (points_[i].time >= limit) keep(i, "within");
        }
        for (const Bucket& bucket : buckets) decide_bucket(bucket, order);
    }

    void decide_bucket(const Bucket& bucket, const std::vector<std::size_t>& order) {
        const unsigned count = rules_.*bucket.count;
        unsigned used = 0;
        std::optional<std::int64_t> previous;
        for (const std::size_t i : order) {
            if (used == count) return;
            const std::int64_t number = bucket.number(local_seconds(points_[i].time, zone_));
            if (number == previous) continue;
            previous = number;
            keep(i, std::string(bucket.name) + ' ' + std::to_string(++used));
        }
        if (used < count && !order.empty())
            keep(order.back(), std::string(bucket.name) + " (the oldest)");
    }

    const std::vector<RetentionPoint>& points_;
    const RetentionRules& rules_;
    const ZoneOffset& zone_;
    std::vector<RetentionDecision> decisions_;
};

}  // namespace

bool RetentionRules::empty() const {
    return last == 0 && hourly == 0 && daily == 0 && weekly == 0 && monthly == 0 && yearly == 0 &&
           !within && tags.empty();
}

Result<CalendarPeriod> parse_period(std::string_view text) {
    const Error bad(ErrorCode::invalid_argument,
                    "not a period such as 30d or 2y5m7d3h: '" + std::string(text) + "'");
    CalendarPeriod period;
    const std::pair<char, unsigned*> units[] = {{'y', &period.years},
                                                {'m', &period.months},
                                                {'d', &period.days},
                                                {'h', &period.hours}};
    std::size_t unit = 0, position = 0;
    while (position < text.size()) {
        unsigned value = 0;
        const std::size_t digits = position;
        while (position < text.size() && text[position] >= '0' && text[position] <= '9') {
            value = value * 10 + static_cast<unsigned>(text[position++] - '0');
            if (value > 10'000) return bad;
        }
        if (position == digits || position == text.size()) return bad;
        while (unit < std::size(units) && units[unit].first != text[position]) ++unit;
        if (unit == std::size(units)) return bad;
        *units[unit++].second = value;
        ++position;
    }
    if (period == CalendarPeriod{}) return bad;
    return period;
}

std::vector<RetentionDecision> decide_retention(const std::vector<RetentionPoint>& points,
                                                const RetentionRules& rules,
                                                TimeNs now,
                                                const ZoneOffset& zone) {
    return Decider(points, rules, zone).decide(now);
}

}  // namespace holdfast
