// A fixed number of threads that run tasks from a bounded queue.
#pragma once

#include <atomic>
#include <functional>
#include <thread>
#include <vector>

#include "base/bounded_queue.h"

namespace holdfast {

// How many threads a job uses: one for each processor, from 2 to 4, as each holds buffers of some MiB.
std::size_t default_threads();

class WorkerPool {
  public:
    using Task = std::function<void()>;

    // `queued` bounds the tasks that wait; what a task holds is stated by who submits it.
    WorkerPool(std::size_t threads, std::size_t queued);
    // Runs what is queued, then joins.
    ~WorkerPool();

    // Blocks while the queue is full. Not for use inside a task (it could wait for itself).
    void submit(Task task);
    // Until no task is queued or running. Tasks that others submit meanwhile are waited for too.
    void wait_idle() const;
    std::size_t threads() const { return threads_.size(); }

  private:
    BoundedQueue<Task> queue_;
    std::atomic<std::size_t> unfinished_{0};
    std::vector<std::jthread> threads_;
};

}  // namespace holdfast
