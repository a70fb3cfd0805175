#include "base/subprocess.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "base/file_io.h"

extern char** environ;

namespace holdfast {
namespace {

constexpr TimeNs grace = 5 * ns_per_second;
// How soon a request to stop is seen.
constexpr int poll_milliseconds = 50;

class SpawnAttributes {
  public:
    SpawnAttributes() {
        ::posix_spawnattr_init(&attributes_);
        ::posix_spawn_file_actions_init(&actions_);
        // This program blocks signals in its threads; a child that did so too could not be ended.
        sigset_t none, all;
        ::sigemptyset(&none);
        ::sigfillset(&all);
        ::posix_spawnattr_setsigmask(&attributes_, &none);
        ::posix_spawnattr_setsigdefault(&attributes_, &all);
        ::posix_spawnattr_setpgroup(&attributes_, 0);
        ::posix_spawnattr_setflags(
            &attributes_,
            static_cast<short>(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP));
    }
    ~SpawnAttributes() {
        ::posix_spawn_file_actions_destroy(&actions_);
        ::posix_spawnattr_destroy(&attributes_);
    }
    SpawnAttributes(const SpawnAttributes&) = delete;
    SpawnAttributes& operator=(const SpawnAttributes&) = delete;

    void redirect(int from, int to) { ::posix_spawn_file_actions_adddup2(&actions_, from, to); }
    const posix_spawnattr_t* attributes() const { return &attributes_; }
    const posix_spawn_file_actions_t* actions() const { return &actions_; }

  private:
    posix_spawnattr_t attributes_;
    posix_spawn_file_actions_t actions_;
};

std::vector<std::string> environment_with(const std::vector<std::pair<std::string, std::string>>& variables) {
    std::vector<std::string> result;
    for (char** entry = environ; *entry != nullptr; ++entry) {
        const std::string_view text(*entry);
        bool is_replaced = false;
        for (const auto& [name, value] : variables)
            if (text.starts_with(name) && text.size() > name.size() && text[name.size()] == '=') is_replaced = true;
        if (!is_replaced) result.emplace_back(text);
    }
    for (const auto& [name, value] : variables) result.push_back(name + '=' + value);
    return result;
}

// A file without a name: what reads it slowly, or not at all, holds nobody up.
Result<UniqueFd> open_input(const std::string& input) {
    if (input.empty()) return open_file("/dev/null", O_RDONLY);
    HF_TRY(UniqueFd fd, open_temporary_file());
    HF_TRY_STATUS(write_all(fd.get(), as_bytes(input), "a temporary file"));
    if (::lseek(fd.get(), 0, SEEK_SET) != 0) return Error::from_errno(errno, "a temporary file");
    return fd;
}

Result<pid_t> spawn(const ShellCommand& command, int input) {
    std::vector<std::string> environment = environment_with(command.variables);
    std::vector<char*> variables;
    for (std::string& one : environment) variables.push_back(one.data());
    variables.push_back(nullptr);
    std::string shell = "sh", option = "-c", text = command.command;
    char* const arguments[] = {shell.data(), option.data(), text.data(), nullptr};
    SpawnAttributes spawning;
    spawning.redirect(input, STDIN_FILENO);
    spawning.redirect(STDERR_FILENO, STDOUT_FILENO);
    pid_t process = 0;
    const int failed = ::posix_spawn(&process, "/bin/sh", spawning.actions(), spawning.attributes(), arguments,
                                     variables.data());
    if (failed != 0) return Error::from_errno(failed, "starting a command");
    return process;
}

}  // namespace

Result<int> run_shell_command(const ShellCommand& command, const Clock& clock, const std::stop_token& stop) {
    HF_TRY(const UniqueFd input, open_input(command.input));
    const TimeNs start = clock.monotonic();
    HF_TRY(const pid_t process, spawn(command, input.get()));
    // The header of Debian 12 for it is none for C++.
    const UniqueFd handle(static_cast<int>(::syscall(SYS_pidfd_open, process, 0)));
    std::optional<Error> why;
    TimeNs asked = 0;
    for (;;) {
        pollfd wait{handle.get(), POLLIN, 0};
        // Without a handle it sleeps, and looks.
        (void)::poll(&wait, handle.valid() ? 1 : 0, poll_milliseconds);
        int status = 0;
        const pid_t ended = ::waitpid(process, &status, WNOHANG);
        if (ended < 0 && errno != EINTR) return Error::from_errno(errno, "waiting for a command");
        if (ended == process) {
            // What it has left behind in its group is not waited for.
            if (why) {
                ::kill(-process, SIGKILL);
                return *why;
            }
            return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        }
        const TimeNs now = clock.monotonic();
        if (why && now - asked >= grace) ::kill(-process, SIGKILL);
        if (why) continue;
        if (stop.stop_requested()) why = Error(ErrorCode::cancelled, "interrupted");
        else if (command.timeout != 0 && now - start >= command.timeout)
            why = Error(ErrorCode::unavailable,
                        "no end after " + std::to_string(command.timeout / ns_per_second) + " seconds");
        if (!why) continue;
        asked = now;
        ::kill(-process, SIGTERM);
    }
}

}  // namespace holdfast
