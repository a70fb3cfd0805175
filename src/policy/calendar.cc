#include "policy/calendar.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <ctime>

namespace holdfast {
namespace {

using std::chrono::days;
using std::chrono::sys_days;
using std::chrono::year_month_day;

constexpr std::int64_t seconds_per_day = 86'400;
constexpr int last_year = 2199;

struct Name {
    std::string_view name, text;
};
constexpr Name names[] = {{"minutely", "*-*-* *:*:00"},         {"hourly", "*-*-* *:00:00"},
                          {"daily", "*-*-* 00:00:00"},          {"weekly", "Mon *-*-* 00:00:00"},
                          {"monthly", "*-*-01 00:00:00"},       {"quarterly", "*-01,04,07,10-01 00:00:00"},
                          {"semiannually", "*-01,07-01 00:00:00"}, {"yearly", "*-01-01 00:00:00"},
                          {"annually", "*-01-01 00:00:00"}};
constexpr std::string_view weekday_names[] = {"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"};

std::string lower(std::string_view text) {
    std::string result(text);
    for (char& c : result)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return result;
}

std::vector<std::string_view> split(std::string_view text, std::string_view separator) {
    std::vector<std::string_view> parts;
    for (;;) {
        const std::size_t end = text.find(separator);
        parts.push_back(text.substr(0, end));
        if (end == std::string_view::npos) return parts;
        text.remove_prefix(end + separator.size());
    }
}

std::optional<int> parse_number(std::string_view text) {
    int value = 0;
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value);
    if (text.empty() || text.size() > 4 || error != std::errc{} || stop != end || value < 0) return std::nullopt;
    return value;
}

// One of a list: a number, a range, or either with a step. Nothing: it is neither.
std::optional<CalendarYears> parse_part(std::string_view text, int least, int most) {
    CalendarYears part;
    const auto by_step = split(text, "/");
    if (by_step.size() > 2) return std::nullopt;
    const auto ends = split(by_step[0], "..");
    if (ends.size() > 2) return std::nullopt;
    const auto first = parse_number(ends[0]), last = parse_number(ends.back());
    if (!first || !last || *first < least || *last > most || *first > *last) return std::nullopt;
    part.first = *first;
    part.last = *last;
    if (by_step.size() == 1) return part;
    const auto step = parse_number(by_step[1]);
    if (!step || *step == 0) return std::nullopt;
    part.step = *step;
    if (ends.size() == 1) part.last = most;
    return part;
}

template <std::size_t N>
bool parse_field(std::string_view text, int least, std::bitset<N>& field) {
    const int most = static_cast<int>(N) - 1;
    field.reset();
    if (text == "*") {
        for (int i = least; i <= most; ++i) field.set(static_cast<std::size_t>(i));
        return true;
    }
    for (const std::string_view one : split(text, ",")) {
        const auto part = parse_part(one, least, most);
        if (!part) return false;
        for (int i = part->first; i <= part->last; i += part->step) field.set(static_cast<std::size_t>(i));
    }
    return true;
}

bool parse_years(std::string_view text, std::vector<CalendarYears>& years) {
    if (text == "*") {
        years = {CalendarYears{}};
        return true;
    }
    for (const std::string_view one : split(text, ",")) {
        const auto part = parse_part(one, 1970, last_year);
        if (!part) return false;
        years.push_back(*part);
    }
    return true;
}

std::optional<std::size_t> parse_weekday(std::string_view text) {
    for (std::size_t i = 0; i < std::size(weekday_names); ++i)
        if (lower(text) == weekday_names[i] || lower(text) == weekday_names[i].substr(0, 3)) return i;
    return std::nullopt;
}

bool parse_weekdays(std::string_view text, std::bitset<7>& weekdays) {
    weekdays.reset();
    for (const std::string_view one : split(text, ",")) {
        const auto ends = split(one, "..");
        if (ends.size() > 2) return false;
        const auto first = parse_weekday(ends[0]), last = parse_weekday(ends.back());
        if (!first || !last || *first > *last) return false;
        for (std::size_t i = *first; i <= *last; ++i) weekdays.set(i);
    }
    return true;
}

bool parse_date(std::string_view text, Calendar& calendar) {
    auto parts = split(text, "-");
    if (parts.size() == 2) parts.insert(parts.begin(), "*");
    return parts.size() == 3 && parse_years(parts[0], calendar.years) &&
           parse_field(parts[1], 1, calendar.months) && parse_field(parts[2], 1, calendar.days);
}

bool parse_time(std::string_view text, Calendar& calendar) {
    auto parts = split(text, ":");
    if (parts.size() == 2) parts.emplace_back("0");
    return parts.size() == 3 && parse_field(parts[0], 0, calendar.hours) &&
           parse_field(parts[1], 0, calendar.minutes) && parse_field(parts[2], 0, calendar.seconds);
}

bool parse_words(std::string_view text, Calendar& calendar) {
    std::vector<std::string_view> words;
    for (const std::string_view word : split(text, " "))
        if (!word.empty()) words.push_back(word);
    if (words.empty()) return false;
    std::size_t next = 0;
    const char first = words[0][0];
    if ((first >= 'a' && first <= 'z') || (first >= 'A' && first <= 'Z')) {
        if (!parse_weekdays(words[next++], calendar.weekdays)) return false;
    } else {
        calendar.weekdays.set();
    }
    const bool has_date = next < words.size() && words[next].find(':') == std::string_view::npos;
    if (!parse_date(has_date ? words[next++] : "*-*-*", calendar)) return false;
    const bool has_time = next < words.size();
    return parse_time(has_time ? words[next++] : "00:00:00", calendar) && next == words.size();
}

bool is_day(const Calendar& calendar, const sys_days& day) {
    const year_month_day date(day);
    // 1970-01-01 was a Thursday.
    const auto weekday = static_cast<std::size_t>(((day.time_since_epoch().count() + 3) % 7 + 7) % 7);
    if (!calendar.weekdays.test(weekday) || !calendar.months.test(static_cast<unsigned>(date.month())) ||
        !calendar.days.test(static_cast<unsigned>(date.day())))
        return false;
    const int year = static_cast<int>(date.year());
    return std::any_of(calendar.years.begin(), calendar.years.end(), [year](const CalendarYears& years) {
        return year >= years.first && year <= years.last && (year - years.first) % years.step == 0;
    });
}

std::int64_t floor_divide(std::int64_t value, std::int64_t by) {
    return value / by - (value % by < 0 ? 1 : 0);
}

// The moment, in seconds, at which the clocks show `local`; the first of two; where they skip it, the moment when they
// go forward.
std::int64_t moment_of(std::int64_t local, const ZoneOffset& zone) {
    const auto offset = [&zone](std::int64_t seconds) { return zone(seconds * ns_per_second); };
    // Clocks change at most once within a day on either side.
    const std::int64_t before = offset(local - seconds_per_day), after = offset(local + seconds_per_day);
    if (const std::int64_t moment = local - before; offset(moment) == before) return moment;
    if (const std::int64_t moment = local - after; offset(moment) == after) return moment;
    std::int64_t low = local - seconds_per_day, high = local + seconds_per_day;
    while (low + 1 < high) {
        const std::int64_t middle = low + (high - low) / 2;
        (offset(middle) == before ? low : high) = middle;
    }
    return high;
}

// The first moment on a day after `after`, both in seconds.
std::optional<std::int64_t> next_on_day(const Calendar& calendar,
                                        std::int64_t day,
                                        std::int64_t after,
                                        const ZoneOffset& zone) {
    for (std::size_t hour = 0; hour < 24; ++hour) {
        if (!calendar.hours.test(hour)) continue;
        for (std::size_t minute = 0; minute < 60; ++minute) {
            if (!calendar.minutes.test(minute)) continue;
            const std::int64_t local = day * seconds_per_day + static_cast<std::int64_t>(hour * 3600 + minute * 60);
            // Later local times are no earlier moments.
            if (moment_of(local + 59, zone) <= after) continue;
            for (std::size_t second = 0; second < 60; ++second) {
                if (!calendar.seconds.test(second)) continue;
                const std::int64_t moment = moment_of(local + static_cast<std::int64_t>(second), zone);
                if (moment > after) return moment;
            }
        }
    }
    return std::nullopt;
}

// A field of a crontab: "*", or numbers and ranges of them.
template <std::size_t N>
std::string crontab_field(const std::bitset<N>& field, std::size_t least) {
    if (field.count() == N - least) return "*";
    std::string text;
    for (std::size_t i = least; i < N; ++i) {
        if (!field.test(i)) continue;
        std::size_t last = i;
        while (last + 1 < N && field.test(last + 1)) ++last;
        text += (text.empty() ? "" : ",") + std::to_string(i);
        if (last != i) text += '-' + std::to_string(last);
        i = last;
    }
    return text;
}

}  // namespace

Result<Calendar> parse_calendar(std::string_view text) {
    Calendar calendar;
    std::string_view meant = text;
    for (const Name& name : names)
        if (lower(text) == name.name) meant = name.text;
    if (!parse_words(meant, calendar))
        return Error(ErrorCode::invalid_argument,
                     "not times such as daily, Mon..Fri 02:30, *-*-01 04:00 or 0/6:15: '" + std::string(text) + "'");
    return calendar;
}

std::optional<TimeNs> next_time(const Calendar& calendar, TimeNs after, const ZoneOffset& zone) {
    const std::int64_t seconds = floor_divide(after, ns_per_second);
    // The day before: the clocks may have gone back over midnight.
    sys_days day(days(floor_divide(seconds + zone(after), seconds_per_day) - 1));
    const sys_days end = std::chrono::year(last_year + 1) / 1 / 1;
    for (; day < end; day += days(1)) {
        if (!is_day(calendar, day)) continue;
        if (const auto moment = next_on_day(calendar, day.time_since_epoch().count(), seconds, zone))
            return *moment * ns_per_second;
    }
    return std::nullopt;
}

Result<std::string> crontab_fields(const Calendar& calendar) {
    const bool every_year = calendar.years.size() == 1 && calendar.years[0] == CalendarYears{};
    const bool every_day = calendar.days.count() == 31, every_weekday = calendar.weekdays.all();
    if (!every_year || calendar.seconds != std::bitset<60>(1) || (!every_day && !every_weekday))
        return Error(ErrorCode::unsupported,
                     "cron knows neither seconds nor years, nor days of the week and of the month at once");
    // Cron's 1 is Monday, its 7 Sunday.
    const std::bitset<8> weekdays(calendar.weekdays.to_ulong() << 1);
    return crontab_field(calendar.minutes, 0) + ' ' + crontab_field(calendar.hours, 0) + ' ' +
           crontab_field(calendar.days, 1) + ' ' + crontab_field(calendar.months, 1) + ' ' +
           crontab_field(weekdays, 1);
}

std::int64_t local_zone_offset(TimeNs time) {
    const std::time_t seconds = static_cast<std::time_t>(floor_divide(time, ns_per_second));
    std::tm local{};
    return ::localtime_r(&seconds, &local) == nullptr ? 0 : local.tm_gmtoff;
}

}  // namespace holdfast
