#include "base/byte_rate.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>

namespace holdfast {

Status ByteRate::take(std::uint64_t bytes) {
    if (bytes_per_second_ == 0 || bytes == 0) return {};
    TimeNs wait;
    {
        const std::lock_guard lock(mutex_);
        const TimeNs now = clock_.monotonic();
        free_at_ = std::max(free_at_, now);
        wait = free_at_ - now;
        const double seconds = static_cast<double>(bytes) / static_cast<double>(bytes_per_second_);
        free_at_ += static_cast<TimeNs>(seconds * static_cast<double>(ns_per_second));
    }
    if (wait == 0) return {};
    std::mutex mutex;
    std::condition_variable_any interrupted;
    std::unique_lock lock(mutex);
    interrupted.wait_for(lock, stop_, std::chrono::nanoseconds(wait), [] { return false; });
    if (stop_.stop_requested()) return Error(ErrorCode::cancelled, "interrupted");
    return {};
}

}  // namespace holdfast
