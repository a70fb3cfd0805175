// One at a time for each name, in this process.
#pragma once

#include <condition_variable>
#include <mutex>
#include <set>
#include <string>

namespace holdfast {

// Thread-safe. Outlives its turns. Names: at most one for each thread.
class NameTurns {
  public:
    // Waits until nobody has a turn of this name; its own lasts until it is destroyed.
    class Turn {
      public:
        Turn(NameTurns& turns, const std::string& name) : turns_(turns), name_(name) {
            std::unique_lock lock(turns_.mutex_);
            turns_.changed_.wait(lock, [this] { return turns_.taken_.insert(name_).second; });
        }
        ~Turn() {
            const std::lock_guard lock(turns_.mutex_);
            turns_.taken_.erase(name_);
            turns_.changed_.notify_all();
        }
        Turn(const Turn&) = delete;
        Turn& operator=(const Turn&) = delete;

      private:
        NameTurns& turns_;
        const std::string name_;
    };

  private:
    std::mutex mutex_;  // guards what follows
    std::condition_variable changed_;
    std::set<std::string> taken_;
};

}  // namespace holdfast
