#include "source/stream/stream_source.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "base/clock.h"
#include "base/unique_fd.h"

extern char** environ;

namespace holdfast {
namespace {

// A stream has no metadata of its own: a private file, written now.
Metadata stream_metadata() {
    Metadata m;
    m.type = EntryType::file;
    m.mode = 0600;
    m.uid = ::getuid();
    m.gid = ::getgid();
    m.mtime = m.ctime = system_clock().now();
    m.size = stream_size;
    return m;
}

class OpenStream final : public SourceFile {
  public:
    OpenStream(UniqueFd fd, pid_t process) : fd_(std::move(fd)), process_(process) {}
    ~OpenStream() override {
        fd_.reset();
        if (process_ > 0) (void)wait_for_process();
    }

    Result<Metadata> metadata() override { return stream_metadata(); }

    // Called when the stream has ended: now the command has to tell whether it was all.
    Result<std::vector<ExtendedAttribute>> xattrs() override {
        return std::vector<ExtendedAttribute>{};
    }

    Result<bool> has_changed(const Metadata&) override {
        if (process_ > 0) {
            const int status = wait_for_process();
            if (status != 0)
                return Error(ErrorCode::unavailable,
                             "the command failed (status " + std::to_string(status) +
                                 "): no restore point was made");
        }
        return false;
    }

    Result<std::vector<SourceExtent>> extents(std::uint64_t bytes) override {
        return std::vector<SourceExtent>{{0, bytes, false}};
    }

    Result<std::size_t> read(std::uint64_t, MutableByteSpan out) override {
        std::size_t done = 0;
        while (done < out.size()) {
            const ssize_t count = ::read(fd_.get(), out.data() + done, out.size() - done);
            if (count < 0 && errno == EINTR) continue;
            if (count < 0) return Error::from_errno(errno, "reading the stream");
            if (count == 0) break;
            done += static_cast<std::size_t>(count);
        }
        return done;
    }

  private:
    // Exit status, 128 and more for a signal.
    int wait_for_process() {
        int status = 0;
        while (::waitpid(process_, &status, 0) < 0)
            if (errno != EINTR) return 127;
        process_ = 0;
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }

    UniqueFd fd_;
    pid_t process_;
};

class OneFileStream final : public SourceStream {
  public:
    explicit OneFileStream(std::string name) : name_(std::move(name)) {}

    Status next(std::vector<SourceEvent>& batch) override {
        if (done_) return {};
        done_ = true;
        SourceEvent event;
        event.name = name_;
        event.metadata = stream_metadata();
        batch.push_back(std::move(event));
        return {};
    }

  private:
    const std::string name_;
    bool done_ = false;
};

}  // namespace

Result<std::unique_ptr<SourceStream>> StreamSource::walk() {
    return std::unique_ptr<SourceStream>(std::make_unique<OneFileStream>(name_));
}

Result<std::unique_ptr<SourceFile>> StreamSource::open(const SourceEvent&) {
    if (command_.empty())
        return std::unique_ptr<SourceFile>(
            std::make_unique<OpenStream>(UniqueFd(::dup(STDIN_FILENO)), 0));
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return Error::from_errno(errno, "pipe");
    UniqueFd reading(ends[0]), writing(ends[1]);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, writing.get(), STDOUT_FILENO);
    std::vector<char*> arguments;
    for (const std::string& word : command_) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    pid_t process = 0;
    const int error =
        ::posix_spawnp(&process, arguments[0], &actions, nullptr, arguments.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    // Not a missing file, which would count as vanished, but a failure.
    if (error != 0)
        return Error(ErrorCode::unavailable,
                     Error::from_errno(error, "cannot run " + command_[0]).message());
    return std::unique_ptr<SourceFile>(std::make_unique<OpenStream>(std::move(reading), process));
}

Status StreamSource::complete(const SourceEvent&, Metadata&) {
    return {};
}

}  // namespace holdfast
