#include "cli/secret_input.h"

#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "api/repository_access.h"
#include "base/file_io.h"

namespace holdfast {
namespace {

constexpr std::size_t max_line_bytes = 4096;

// Switches the echo of standard input off for as long as it lives, if that is a terminal.
class NoEcho {
  public:
    explicit NoEcho(const char* prompt) {
        is_terminal_ = ::tcgetattr(STDIN_FILENO, &before_) == 0;
        if (!is_terminal_) return;
        static_cast<void>(std::fputs(prompt, stderr));
        termios silent = before_;
        silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
        static_cast<void>(::tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent));
    }
    ~NoEcho() {
        if (!is_terminal_) return;
        static_cast<void>(::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_));
        static_cast<void>(std::fputs("\n", stderr));
    }
    NoEcho(const NoEcho&) = delete;
    NoEcho& operator=(const NoEcho&) = delete;

  private:
    termios before_{};
    bool is_terminal_ = false;
};

}  // namespace

Result<std::string> read_typed_secret(const char* prompt, const std::stop_token& stop) {
    const NoEcho quiet(prompt);
    std::string line;
    line.reserve(max_line_bytes);  // so that no part of it stays where it grew from
    char next = 0;
    while (!stop.stop_requested()) {
        // Signals go to another thread: nothing else would end a read.
        pollfd waiting{STDIN_FILENO, POLLIN, 0};
        if (::poll(&waiting, 1, 100) == 0) continue;
        const ssize_t got = ::read(STDIN_FILENO, &next, 1);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0 || next == '\n' || line.size() == max_line_bytes) break;
        line.push_back(next);
    }
    if (stop.stop_requested()) return Error(ErrorCode::cancelled, "interrupted");
    if (line.empty()) return Error(ErrorCode::invalid_argument, "nothing was typed");
    return line;
}

Result<std::string> read_first_line(const std::string& path) {
    HF_TRY(Bytes data, read_file(path, 1 << 16));
    std::string line = first_line(data);
    wipe(data);
    return line;
}

}  // namespace holdfast
