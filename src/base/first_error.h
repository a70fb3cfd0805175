// What went wrong first, of several threads.
#pragma once

#include <mutex>

#include "base/result.h"

namespace holdfast {

// Thread-safe.
class FirstError {
  public:
    void note(Status status) {
        if (status.ok()) return;
        const std::lock_guard lock(mutex_);
        if (status_.ok()) status_ = std::move(status);
    }
    Status status() const {
        const std::lock_guard lock(mutex_);
        return status_;
    }

  private:
    mutable std::mutex mutex_;
    Status status_;
};

}  // namespace holdfast
