#include "base/worker_pool.h"

#include <algorithm>

namespace holdfast {

std::size_t default_threads() {
    return std::clamp<std::size_t>(std::thread::hardware_concurrency(), 2, 4);
}

WorkerPool::WorkerPool(std::size_t threads, std::size_t queued) : queue_(queued) {
    for (std::size_t i = 0; i < threads; ++i) {
        threads_.emplace_back([this] {
            while (auto task = queue_.pop()) {
                (*task)();
                *task = nullptr;  // what it held is given back before anybody hears of the end
                if (--unfinished_ == 0) unfinished_.notify_all();
            }
        });
    }
}

WorkerPool::~WorkerPool() {
    queue_.close();
    threads_.clear();
}

void WorkerPool::submit(Task task) {
    ++unfinished_;
    queue_.push(std::move(task));
}

void WorkerPool::wait_idle() const {
    for (std::size_t left; (left = unfinished_.load()) != 0;) unfinished_.wait(left);
}

}  // namespace holdfast
