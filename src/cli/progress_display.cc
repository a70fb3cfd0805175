#include "cli/progress_display.h"

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "cli/output.h"

namespace holdfast {
namespace {

constexpr auto interval = std::chrono::milliseconds(200);

std::string format_duration(double seconds) {
    const auto whole = static_cast<long>(seconds);
    char buffer[32];
    if (whole < 3600) std::snprintf(buffer, sizeof buffer, "%ld:%02ld", whole / 60, whole % 60);
    else std::snprintf(buffer, sizeof buffer, "%ld:%02ld:%02ld", whole / 3600, whole / 60 % 60, whole % 60);
    return buffer;
}

}  // namespace

ProgressDisplay::ProgressDisplay(const Console& console, std::string verb, const Progress& progress)
    : verb_(std::move(verb)), progress_(progress), mode_(console.progress) {
    if (mode_ == ProgressMode::automatic)
        mode_ = ::isatty(STDERR_FILENO) != 0 && !console.json ? ProgressMode::bar : ProgressMode::none;
    if (console.quiet) mode_ = ProgressMode::none;
    if (mode_ != ProgressMode::none) thread_ = std::thread([this] { run(); });
}

ProgressDisplay::~ProgressDisplay() {
    if (!thread_.joinable()) return;
    {
        std::lock_guard lock(mutex_);
        done_ = true;
    }
    done_changed_.notify_all();
    thread_.join();
    if (shown_ && mode_ == ProgressMode::bar) std::fputs("\r\033[K", stderr);
}

void ProgressDisplay::run() {
    const TimeNs start = system_clock().monotonic();
    std::unique_lock lock(mutex_);
    while (!done_changed_.wait_for(lock, interval, [this] { return done_; })) {
        show(static_cast<double>(system_clock().monotonic() - start) / ns_per_second);
        shown_ = true;
    }
}

void ProgressDisplay::show(double seconds) {
    const std::uint64_t files = progress_.files, bytes = progress_.bytes;
    const std::uint64_t total = progress_.total_bytes;
    const double rate = seconds > 0 ? static_cast<double>(bytes) / seconds : 0;
    const double left =
        total > bytes && rate > 0 ? static_cast<double>(total - bytes) / rate : 0;
    if (mode_ == ProgressMode::json) {
        const nlohmann::json line = {{"schema", 1},
                                     {"progress",
                                      {{"operation", verb_},
                                       {"files", files},
                                       {"bytes", bytes},
                                       {"total_files", progress_.total_files.load()},
                                       {"total_bytes", total},
                                       {"stored_bytes", progress_.stored_bytes.load()},
                                       {"problems", progress_.problems.load()},
                                       {"frozen_packs", progress_.frozen_packs.load()},
                                       {"seconds", seconds}}}};
        std::fprintf(stderr, "%s\n", line.dump().c_str());
        return;
    }
    std::string text = verb_ + "  ";
    if (const std::uint64_t frozen = progress_.frozen_packs; frozen != 0)
        text += "waits for " + format_count(frozen) + " packs to be thawed  ";
    if (total != 0) {
        const std::size_t width = 24;
        const auto filled = static_cast<std::size_t>(
            static_cast<double>(width) * std::min(1.0, static_cast<double>(bytes) / static_cast<double>(total)));
        text += '[' + std::string(filled, '#') + std::string(width - filled, '.') + "] ";
        text += std::to_string(std::min<std::uint64_t>(100, bytes * 100 / total)) + " %  ";
    }
    text += format_count(files);
    if (progress_.total_files != 0) text += " of " + format_count(progress_.total_files);
    text += " files  " + format_bytes(bytes);
    if (total != 0) text += " of " + format_bytes(total);
    text += "  " + format_bytes(static_cast<std::uint64_t>(rate)) + "/s";
    if (left > 0) text += "  " + format_duration(left) + " left";
    std::fprintf(stderr, "\r\033[K%s", text.c_str());
    std::fflush(stderr);
}

}  // namespace holdfast
