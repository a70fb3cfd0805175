// Writing to the disk while a restore still unpacks: the sync at its end then finds little left.
#pragma once

#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <thread>

#include "base/result.h"

namespace holdfast {

// One thread that calls syncfs() each time that enough was written. Thread-safe.
class BackgroundSync {
  public:
    // `fd` is any file of the file system and stays open until finish().
    explicit BackgroundSync(int fd);
    void wrote(std::uint64_t bytes);
    // Makes all durable that was written before. To be called once. Errors: of any sync so far, as
    // the kernel tells each only once.
    Status finish();

  private:
    void run(const std::stop_token& stop);

    const int fd_;
    std::mutex mutex_;  // guards what follows
    std::condition_variable_any changed_;
    std::uint64_t unsynced_bytes_ = 0;
    int first_error_ = 0;
    std::jthread thread_;
};

}  // namespace holdfast
