#include "base/backoff.h"

#include <algorithm>
#include <chrono>
#include <cstring>

namespace holdfast {

bool Backoff::wait(const std::stop_token& stop) {
    std::uint32_t drawn;
    const auto bytes = random_.array<sizeof drawn>();
    std::memcpy(&drawn, bytes.data(), sizeof drawn);
    const TimeNs delay = next_ / 2 + static_cast<TimeNs>(static_cast<double>(next_ / 2) *
                                                         (static_cast<double>(drawn) / 4294967296.0));
    next_ = std::min(policy_.longest, next_ * 2);
    if (clock_.monotonic() - begun_ + delay > policy_.total) return false;
    std::mutex mutex;
    std::condition_variable_any interrupted;
    std::unique_lock lock(mutex);
    interrupted.wait_for(lock, stop, std::chrono::nanoseconds(delay), [] { return false; });
    return !stop.stop_requested();
}

}  // namespace holdfast
