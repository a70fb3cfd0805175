#include "restore/background_sync.h"

#include <unistd.h>

#include <cerrno>

namespace holdfast {
namespace {

// Enough for the disk to be busy for a while, little enough that the last sync is short.
constexpr std::uint64_t sync_bytes = 128u << 20;

}  // namespace

BackgroundSync::BackgroundSync(int fd)
    : fd_(fd), thread_([this](const std::stop_token& stop) { run(stop); }) {}

void BackgroundSync::wrote(std::uint64_t bytes) {
    std::lock_guard lock(mutex_);
    unsynced_bytes_ += bytes;
    if (unsynced_bytes_ >= sync_bytes) changed_.notify_one();
}

void BackgroundSync::run(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    while (changed_.wait(lock, stop, [this] { return unsynced_bytes_ >= sync_bytes; })) {
        unsynced_bytes_ = 0;
        lock.unlock();
        const int error = ::syncfs(fd_) == 0 ? 0 : errno;
        lock.lock();
        if (first_error_ == 0) first_error_ = error;
    }
}

Status BackgroundSync::finish() {
    thread_.request_stop();
    thread_.join();
    const int error = ::syncfs(fd_) == 0 ? 0 : errno;
    if (first_error_ == 0) first_error_ = error;
    if (first_error_ != 0) return Error::from_errno(first_error_, "writing to the disk");
    return {};
}

}  // namespace holdfast
