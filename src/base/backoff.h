// How long to wait before something is tried again.
#pragma once

#include <condition_variable>
#include <mutex>
#include <stop_token>

#include "base/clock.h"
#include "base/random.h"

namespace holdfast {

// Delays double from the first to the longest; each is drawn evenly between half of it and all of it, so that
// clients that failed at once do not come back at once. Tries end when `total` has passed since the first.
struct BackoffPolicy {
    TimeNs first = ns_per_second / 10;
    TimeNs longest = 10 * ns_per_second;
    TimeNs total = 300 * ns_per_second;
};

// For one operation of one thread.
class Backoff {
  public:
    Backoff(const BackoffPolicy& policy, const Clock& clock, Random& random)
        : policy_(policy), clock_(clock), random_(random), begun_(clock.monotonic()), next_(policy.first) {}

    // Waits. False when it was interrupted, or when it is time to stop trying.
    bool wait(const std::stop_token& stop);

  private:
    const BackoffPolicy policy_;
    const Clock& clock_;
    Random& random_;
    const TimeNs begun_;
    TimeNs next_;
};

}  // namespace holdfast
