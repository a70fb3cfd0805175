// Objects that threads take turns with.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

namespace holdfast {

// Objects that are lent to one thread at a time, made when none is free. Thread-safe.
template <typename T>
class LendingPool {
  public:
    template <typename Make>
    std::unique_ptr<T> take(Make make) {
        std::lock_guard lock(mutex_);
        if (free_.empty()) return make();
        std::unique_ptr<T> item = std::move(free_.back());
        free_.pop_back();
        return item;
    }
    void give_back(std::unique_ptr<T> item) {
        std::lock_guard lock(mutex_);
        free_.push_back(std::move(item));
    }

  private:
    std::mutex mutex_;
    std::vector<std::unique_ptr<T>> free_;
};

}  // namespace holdfast
