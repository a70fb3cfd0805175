#include "base/clock.h"

#include <ctime>

namespace holdfast {
namespace {

TimeNs read_clock(clockid_t id) {
    timespec time{};
    HF_CHECK(::clock_gettime(id, &time) == 0);
    return static_cast<TimeNs>(time.tv_sec) * ns_per_second + time.tv_nsec;
}

class SystemClock final : public Clock {
  public:
    TimeNs now() const override { return read_clock(CLOCK_REALTIME); }
    TimeNs monotonic() const override { return read_clock(CLOCK_MONOTONIC); }
};

// Reads exactly `digits` decimal digits at `position` and moves it; -1 when there are none.
int read_digits(std::string_view text, std::size_t& position, std::size_t digits) {
    if (position + digits > text.size()) return -1;
    int value = 0;
    for (std::size_t i = 0; i < digits; ++i) {
        const char c = text[position + i];
        if (c < '0' || c > '9') return -1;
        value = value * 10 + (c - '0');
    }
    position += digits;
    return value;
}

bool take(std::string_view text, std::size_t& position, char c) {
    if (position >= text.size() || text[position] != c) return false;
    ++position;
    return true;
}

// Reads ":MM:SS[.fraction]" and the zone into `time` (seconds, nanoseconds); false on bad text.
bool read_time_of_day(std::string_view text, std::size_t& p, std::int64_t& seconds, TimeNs& nanos) {
    const int hour = read_digits(text, p, 2);
    if (hour < 0 || hour > 23 || !take(text, p, ':')) return false;
    const int minute = read_digits(text, p, 2);
    if (minute < 0 || minute > 59) return false;
    int second = 0;
    if (take(text, p, ':')) second = read_digits(text, p, 2);
    if (second < 0 || second > 60) return false;
    seconds += hour * 3600 + minute * 60 + second;
    if (take(text, p, '.')) {
        TimeNs scale = ns_per_second / 10;
        const std::size_t start = p;
        for (; p < text.size() && text[p] >= '0' && text[p] <= '9'; ++p, scale /= 10)
            nanos += (text[p] - '0') * scale;
        if (p == start) return false;
    }
    return true;
}

bool read_zone(std::string_view text, std::size_t& p, std::int64_t& seconds) {
    if (p == text.size()) return true;
    if (take(text, p, 'Z') || take(text, p, 'z')) return true;
    const int sign = take(text, p, '+') ? 1 : take(text, p, '-') ? -1 : 0;
    if (sign == 0) return false;
    const int hours = read_digits(text, p, 2);
    take(text, p, ':');
    const int minutes = read_digits(text, p, 2);
    if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59) return false;
    seconds -= sign * (hours * 3600 + minutes * 60);
    return true;
}

}  // namespace

const Clock& system_clock() {
    static const SystemClock clock;
    return clock;
}

std::string format_rfc3339(TimeNs time) {
    std::int64_t seconds = time / ns_per_second;
    std::int64_t nanos = time % ns_per_second;
    if (nanos < 0) {
        nanos += ns_per_second;
        --seconds;
    }
    std::tm parts{};
    const std::time_t value = seconds;
    if (::gmtime_r(&value, &parts) == nullptr) return "invalid-time";
    char buffer[64];
    const std::size_t length = std::strftime(buffer, sizeof buffer, "%Y-%m-%dT%H:%M:%S", &parts);
    std::string text(buffer, length);
    if (nanos != 0) {
        std::string fraction = std::to_string(nanos);
        fraction.insert(0, 9 - fraction.size(), '0');
        fraction.erase(fraction.find_last_not_of('0') + 1);
        text += '.' + fraction;
    }
    return text + 'Z';
}

Result<TimeNs> parse_rfc3339(std::string_view text) {
    const Error bad(ErrorCode::invalid_argument,
                    "not a time: '" + std::string(text) + "' (like 2026-11-22T20:46:34Z)");
    std::size_t p = 0;
    std::tm parts{};
    const int year = read_digits(text, p, 4);
    const bool dash1 = take(text, p, '-');
    const int month = read_digits(text, p, 2);
    const bool dash2 = take(text, p, '-');
    const int day = read_digits(text, p, 2);
    if (year < 1678 || year > 2261 || !dash1 || month < 1 || month > 12 || !dash2 || day < 1 ||
        day > 31)
        return bad;
    parts.tm_year = year - 1900;
    parts.tm_mon = month - 1;
    parts.tm_mday = day;
    std::int64_t seconds = ::timegm(&parts);
    if (parts.tm_mday != day) return bad;  // 31 February
    TimeNs nanos = 0;
    if (take(text, p, 'T') || take(text, p, 't') || take(text, p, ' ')) {
        if (!read_time_of_day(text, p, seconds, nanos)) return bad;
        if (!read_zone(text, p, seconds)) return bad;
    }
    if (p != text.size()) return bad;
    return seconds * ns_per_second + nanos;
}

}  // namespace holdfast
