// So many bytes a second and no more.
#pragma once

#include <cstdint>
#include <mutex>
#include <stop_token>

#include "base/clock.h"
#include "base/result.h"

namespace holdfast {

// 0: without a bound.
struct BandwidthLimits {
    std::uint64_t upload_bytes_per_second = 0;
    std::uint64_t download_bytes_per_second = 0;
};

// Hands out bytes at an even rate to any number of threads. What is taken at once may be more than a second's: who
// comes next waits for it.
class ByteRate {
  public:
    // 0: without a bound.
    ByteRate(std::uint64_t bytes_per_second, std::stop_token stop, const Clock& clock)
        : bytes_per_second_(bytes_per_second), stop_(std::move(stop)), clock_(clock) {}

    // Errors: cancelled.
    Status take(std::uint64_t bytes);

  private:
    const std::uint64_t bytes_per_second_;
    const std::stop_token stop_;
    const Clock& clock_;
    std::mutex mutex_;  // guards what follows
    TimeNs free_at_ = 0;  // monotonic
};

}  // namespace holdfast
