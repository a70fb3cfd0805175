// A first-in first-out queue with a bound; blocking, closable. Shared by any number of threads.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>

namespace holdfast {

template <typename T>
class BoundedQueue {
  public:
    // `capacity` counts items; what an item may weigh is stated where the queue is made.
    explicit BoundedQueue(std::size_t capacity) : capacity_(capacity) {}

    // Blocks while full. False when the queue was closed: the item is dropped.
    bool push(T item) {
        std::unique_lock lock(mutex_);
        not_full_.wait(lock, [this] { return items_.size() < capacity_ || closed_; });
        if (closed_) return false;
        items_.push_back(std::move(item));
        not_empty_.notify_one();
        return true;
    }

    // Blocks while empty. Nothing once the queue is closed and drained.
    std::optional<T> pop() {
        std::unique_lock lock(mutex_);
        not_empty_.wait(lock, [this] { return !items_.empty() || closed_; });
        if (items_.empty()) return std::nullopt;
        std::optional<T> item(std::move(items_.front()));
        items_.pop_front();
        not_full_.notify_one();
        return item;
    }

    // No more pushes; what is queued can still be popped.
    void close() {
        std::unique_lock lock(mutex_);
        closed_ = true;
        not_full_.notify_all();
        not_empty_.notify_all();
    }

    // Closes and throws away what is queued.
    void abort() {
        std::unique_lock lock(mutex_);
        closed_ = true;
        items_.clear();
        not_full_.notify_all();
        not_empty_.notify_all();
    }

  private:
    const std::size_t capacity_;
    std::mutex mutex_;
    std::condition_variable not_full_;
    std::condition_variable not_empty_;
    std::deque<T> items_;
    bool closed_ = false;
};

}  // namespace holdfast
