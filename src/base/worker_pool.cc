#include "base/worker_pool.h"

#include <algorithm>

namespace holdfast {

std::size_t default_threads() {
    return std::clamp<std::size_t>(std::thread::hardware_concurrency(), 2, 4);
}

WorkerPool::WorkerPool(std::size_t threads, std::size_t queued) : queue_(queued) {
    for (std::size_t i = 0; i < threads; ++i) {
        threads_.emplace_back([this] {
            while (auto task = queue_.pop()) (*task)();
        });
    }
}

WorkerPool::~WorkerPool() {
    queue_.close();
    threads_.clear();
}

void WorkerPool::submit(Task task) {
    queue_.push(std::move(task));
}

void WorkerPool::submit_or_run(Task task) {
    if (!queue_.try_push(task)) task();
}

}  // namespace holdfast
