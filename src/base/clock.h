// Time is a parameter: nothing outside this file asks the system what time it is.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace holdfast {

// Nanoseconds since 1970-01-01T00:00:00Z; negative before.
using TimeNs = std::int64_t;
inline constexpr TimeNs ns_per_second = 1'000'000'000;

// Thread-safe.
class Clock {
  public:
    virtual ~Clock() = default;
    // Wall-clock time; may jump.
    virtual TimeNs now() const = 0;
    // Never goes back; only differences mean anything.
    virtual TimeNs monotonic() const = 0;
};

// The one real clock; lives as long as the program.
const Clock& system_clock();

// Stands still until it is moved. For tests.
class ManualClock final : public Clock {
  public:
    explicit ManualClock(TimeNs now) : now_(now) {}
    TimeNs now() const override { return now_; }
    TimeNs monotonic() const override { return now_; }
    void advance(TimeNs by) { now_ += by; }

  private:
    std::atomic<TimeNs> now_;
};

// RFC 3339 in UTC with the fewest digits of a second that lose nothing: 2026-11-22T20:46:34.5Z.
std::string format_rfc3339(TimeNs time);
// Reads RFC 3339, also without time ("2026-11-22"), without zone (then UTC) and with a blank for
// the T. Errors: invalid_argument.
Result<TimeNs> parse_rfc3339(std::string_view text);

}  // namespace holdfast
