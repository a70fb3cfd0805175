// A limit of the size of files, so that a write fails as on a full disk.
#pragma once

#include <signal.h>
#include <sys/resource.h>

namespace holdfast {

// Of the whole process, as long as it lives: for tests in one thread. A write beyond the limit fails
// with EFBIG.
class FileSizeLimit {
  public:
    explicit FileSizeLimit(std::size_t bytes) : signal_before_(::signal(SIGXFSZ, SIG_IGN)) {
        ::getrlimit(RLIMIT_FSIZE, &limit_before_);
        const rlimit limit{bytes, limit_before_.rlim_max};
        ::setrlimit(RLIMIT_FSIZE, &limit);
    }
    ~FileSizeLimit() {
        ::setrlimit(RLIMIT_FSIZE, &limit_before_);
        ::signal(SIGXFSZ, signal_before_);
    }
    FileSizeLimit(const FileSizeLimit&) = delete;
    FileSizeLimit& operator=(const FileSizeLimit&) = delete;

  private:
    void (*signal_before_)(int);
    rlimit limit_before_{};
};

}  // namespace holdfast
