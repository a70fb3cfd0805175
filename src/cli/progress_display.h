// Shows a running operation: a bar on a terminal, JSON lines on standard error, or nothing.
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

#include "cli/command.h"

namespace holdfast {

class ProgressDisplay {
  public:
    // `verb` begins the line: "backup".
    ProgressDisplay(const Console& console, std::string verb, const Progress& progress);
    ~ProgressDisplay();
    bool is_on() const { return mode_ != ProgressMode::none; }
    ProgressDisplay(const ProgressDisplay&) = delete;
    ProgressDisplay& operator=(const ProgressDisplay&) = delete;

  private:
    void run();
    void show(double seconds);

    const std::string verb_;
    const Progress& progress_;
    ProgressMode mode_;
    std::mutex mutex_;
    std::condition_variable done_changed_;
    bool done_ = false;
    bool shown_ = false;
    std::thread thread_;
};

}  // namespace holdfast
