// A fixed number of threads that run tasks from a bounded queue.
#pragma once

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
    // Queues the task if there is room, else runs it in the calling thread: safe inside a task.
    void submit_or_run(Task task);
    std::size_t threads() const { return threads_.size(); }

  private:
    BoundedQueue<Task> queue_;
    std::vector<std::jthread> threads_;
};

}  // namespace holdfast
