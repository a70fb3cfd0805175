// The functions below are libc's: their names must not be redirected to the ones with 64 in them.
#undef _FILE_OFFSET_BITS
#undef _FORTIFY_SOURCE
#include "fault/system_calls.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>

namespace holdfast {
namespace {

using Kind = SystemCall::Kind;

// What the functions share. Never destroyed: others write files while the process ends.
struct State {
    std::recursive_mutex mutex;  // guards all of it
    std::atomic<bool> is_active = false;  // read without it first, so that other files cost little
    std::string root;
    Trace trace;
    std::map<std::pair<dev_t, ino_t>, std::uint64_t> files;  // their numbers
    std::uint64_t next_file = 1;
    Fault fault;
    std::size_t calls = 0, reads = 0;  // since the fault was set
    std::string failed;
    std::map<std::string, std::string> replaced;
};

State& state() {
    static State* const instance = new State;
    return *instance;
}

// The same name without links in it, "." and ".."; the program does not use them below a root.
std::string absolute(int directory, const char* path) {
    if (path[0] == '/') return path;
    char buffer[4096];
    const std::string link =
        directory == AT_FDCWD ? "/proc/self/cwd" : "/proc/self/fd/" + std::to_string(directory);
    const ssize_t bytes = ::readlink(link.c_str(), buffer, sizeof buffer);
    if (bytes <= 0) return {};
    return std::string(buffer, static_cast<std::size_t>(bytes)) + '/' + path;
}

// Below the root, if it is there.
std::optional<std::string> below_root(int directory, const char* path) {
    State& s = state();
    if (!s.is_active) return std::nullopt;
    std::string full = absolute(directory, path);
    while (full.size() > 1 && full.back() == '/') full.pop_back();
    if (full == s.root) return "";
    if (!full.starts_with(s.root + '/')) return std::nullopt;
    return full.substr(s.root.size() + 1);
}

std::optional<std::string> below_root(int fd) {
    if (!state().is_active) return std::nullopt;
    char buffer[4096];
    const ssize_t bytes =
        ::readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), buffer, sizeof buffer);
    if (bytes <= 0) return std::nullopt;
    return below_root(AT_FDCWD, std::string(buffer, static_cast<std::size_t>(bytes)).c_str());
}

std::uint64_t& number_of(int fd) {
    struct stat info{};
    (void)::fstat(fd, &info);
    std::uint64_t& number = state().files[{info.st_dev, info.st_ino}];
    if (number == 0) number = state().next_file++;
    return number;
}

// Whether this call is to fail; then errno is set.
bool fails(const SystemCall& call) {
    State& s = state();
    const std::size_t number = s.calls++;
    if (s.fault.fails_reads || number < s.fault.at || (number > s.fault.at && !s.fault.is_lasting))
        return false;
    if (s.fault.error == ENOSPC && (call.kind == Kind::remove || call.kind == Kind::sync_directory))
        return false;
    if (s.failed.empty()) s.failed = describe(call);
    errno = s.fault.error;
    return true;
}

bool read_fails(int fd) {
    State& s = state();
    if (!s.is_active) return false;
    const std::lock_guard lock(s.mutex);
    const auto path = below_root(fd);
    if (!s.fault.fails_reads || !path) return false;
    const std::size_t number = s.reads++;
    if (number < s.fault.at || (number > s.fault.at && !s.fault.is_lasting)) return false;
    if (s.failed.empty()) s.failed = "read " + *path;
    errno = s.fault.error;
    return true;
}

// Makes a call that is recorded when it has succeeded.
template <typename Real>
int make(SystemCall call, Real real) {
    if (fails(call)) return -1;
    const int result = static_cast<int>(real());
    if (result >= 0) state().trace.push_back(std::move(call));
    return result;
}

int do_open(int directory, const char* path, int flags, mode_t mode) {
    State& s = state();
    const auto real = [&](const char* name) {
        return static_cast<int>(::syscall(SYS_openat, directory, name, flags, mode));
    };
    const std::lock_guard lock(s.mutex);
    const auto other = s.replaced.find(path);
    if (other != s.replaced.end()) return real(other->second.c_str());
    const auto name = below_root(directory, path);
    if (!name || (flags & O_TMPFILE) == O_TMPFILE || (flags & (O_CREAT | O_TRUNC)) == 0)
        return real(path);
    struct stat info{};
    const bool is_there = ::fstatat(directory, path, &info, AT_SYMLINK_NOFOLLOW) == 0;
    if (is_there && ((flags & O_TRUNC) == 0 || (flags & O_EXCL) != 0)) return real(path);
    SystemCall call;
    call.kind = is_there ? Kind::resize : Kind::create;
    call.path = *name;
    if (fails(call)) return -1;
    const int fd = real(path);
    if (fd < 0) return fd;
    if (!is_there) {
        (void)::fstat(fd, &info);
        s.files[{info.st_dev, info.st_ino}] = s.next_file++;  // the number of a removed one may be used again
    }
    call.file = number_of(fd);
    s.trace.push_back(std::move(call));
    return fd;
}

ssize_t do_write(int fd, const void* data, std::size_t bytes, std::optional<off64_t> offset) {
    State& s = state();
    const auto real = [&](std::size_t count) {
        return offset ? ::syscall(SYS_pwrite64, fd, data, count, *offset)
                      : ::syscall(SYS_write, fd, data, count);
    };
    if (!s.is_active) return real(bytes);
    const std::lock_guard lock(s.mutex);
    const auto path = below_root(fd);
    if (!path) return real(bytes);
    SystemCall call;
    call.kind = Kind::write;
    call.path = *path;
    call.file = number_of(fd);
    call.offset = static_cast<std::uint64_t>(
        offset ? *offset : static_cast<off64_t>(::syscall(SYS_lseek, fd, 0, SEEK_CUR)));
    const bool is_first = s.failed.empty();
    if (fails(call)) {
        const int error = errno;
        // With O_DIRECT only whole blocks can be written.
        const std::size_t half = bytes >= 8192 ? bytes / 2 / 4096 * 4096 : 0;
        if (!is_first || half == 0 || error != ENOSPC) return -1;
        bytes = half;
        --s.calls;  // the rest of it fails
        s.fault.at = s.calls;
    }
    const ssize_t written = real(bytes);
    if (written <= 0) return written;
    const auto* const begin = static_cast<const std::uint8_t*>(data);
    call.data.assign(begin, begin + written);
    s.trace.push_back(std::move(call));
    return written;
}

int do_resize(int fd, off64_t bytes, bool only_grows) {
    State& s = state();
    const auto real = [&] {
        return only_grows ? ::syscall(SYS_fallocate, fd, 0, off64_t{0}, bytes)
                          : ::syscall(SYS_ftruncate, fd, bytes);
    };
    if (!s.is_active) return static_cast<int>(real());
    const std::lock_guard lock(s.mutex);
    const auto path = below_root(fd);
    if (!path) return static_cast<int>(real());
    struct stat info{};
    (void)::fstat(fd, &info);
    SystemCall call;
    call.kind = Kind::resize;
    call.path = *path;
    call.file = number_of(fd);
    call.offset = static_cast<std::uint64_t>(only_grows ? std::max<off64_t>(info.st_size, bytes) : bytes);
    return make(std::move(call), real);
}

int do_fallocate(int fd, int mode, off64_t offset, off64_t bytes) {
    // Holes of restored files: nothing that a repository or its cache does.
    if (mode != 0) return static_cast<int>(::syscall(SYS_fallocate, fd, mode, offset, bytes));
    return do_resize(fd, offset + bytes, true);
}

template <typename Real>
int do_sync(int fd, bool is_all, Real real) {
    State& s = state();
    if (!s.is_active) return static_cast<int>(real());
    const std::lock_guard lock(s.mutex);
    const auto path = below_root(fd);
    if (!path) return static_cast<int>(real());
    struct stat info{};
    (void)::fstat(fd, &info);
    SystemCall call;
    call.path = *path;
    call.kind = is_all                   ? Kind::sync_all
                : S_ISDIR(info.st_mode) ? Kind::sync_directory
                                         : Kind::sync_file;
    if (call.kind == Kind::sync_file) call.file = number_of(fd);
    return make(std::move(call), real);
}

template <typename Real>
int do_named(Kind kind, int directory, const char* path, Real real) {
    State& s = state();
    if (!s.is_active) return static_cast<int>(real());
    const std::lock_guard lock(s.mutex);
    const auto name = below_root(directory, path);
    if (!name) return static_cast<int>(real());
    // What cannot succeed changes nothing, and is no place to crash at.
    struct stat info{};
    const bool is_there = ::fstatat(directory, path, &info, AT_SYMLINK_NOFOLLOW) == 0;
    if (is_there != (kind == Kind::remove)) return static_cast<int>(real());
    SystemCall call;
    call.kind = kind;
    call.path = *name;
    return make(std::move(call), real);
}

template <typename Real>
int do_rename(Kind kind, int from_directory, const char* from, int to_directory, const char* to, Real real) {
    State& s = state();
    if (!s.is_active) return static_cast<int>(real());
    const std::lock_guard lock(s.mutex);
    const auto source = below_root(from_directory, from);
    const auto target = below_root(to_directory, to);
    if (!source || !target) return static_cast<int>(real());
    SystemCall call;
    call.kind = kind;
    call.path = *source;
    call.target = *target;
    return make(std::move(call), real);
}

mode_t mode_of(int flags, va_list arguments) {
    const bool creates = (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
    return creates ? static_cast<mode_t>(va_arg(arguments, int)) : 0;
}

}  // namespace

std::string describe(const SystemCall& call) {
    static constexpr const char* names[] = {"create", "mkdir",  "write",    "resize", "fsync", "fsync",
                                            "syncfs", "rename", "exchange", "link",   "unlink"};
    std::string text = std::string(names[static_cast<std::size_t>(call.kind)]) + " /" + call.path;
    if (!call.target.empty()) text += " to /" + call.target;
    if (call.kind == Kind::write)
        text += " (" + std::to_string(call.data.size()) + " at " + std::to_string(call.offset) + ")";
    return text;
}

Recording::Recording(const std::string& root, Fault fault) {
    State& s = state();
    const std::lock_guard lock(s.mutex);
    s.root = root;
    s.trace.clear();
    s.files.clear();
    s.next_file = 1;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
        struct stat info{};
        if (!entry.is_regular_file() || ::stat(entry.path().c_str(), &info) != 0) continue;
        files_before_[entry.path().string().substr(root.size() + 1)] = s.files[{info.st_dev, info.st_ino}] = s.next_file++;
    }
    s.is_active = true;
    set_fault(fault);
}

Recording::~Recording() { state().is_active = false; }

std::size_t Recording::size() const {
    const std::lock_guard lock(state().mutex);
    return state().trace.size();
}

void Recording::set_fault(Fault fault) {
    State& s = state();
    const std::lock_guard lock(s.mutex);
    s.fault = fault;
    s.calls = s.reads = 0;
    s.failed.clear();
}

bool Recording::has_failed() const { return !failed_call().empty(); }

std::string Recording::failed_call() const {
    const std::lock_guard lock(state().mutex);
    return state().failed;
}

Trace Recording::take() {
    State& s = state();
    const std::lock_guard lock(s.mutex);
    s.is_active = false;
    return std::move(s.trace);
}

void replace_path(const std::string& path, const std::string& other) {
    State& s = state();
    const std::lock_guard lock(s.mutex);
    if (other.empty()) s.replaced.erase(path);
    else s.replaced[path] = other;
}

}  // namespace holdfast

// What libc's headers declare, with its exception specifications.
extern "C" {

#define HF_OPEN(name)                                                        \
    int name(const char* path, int flags, ...) {                             \
        va_list arguments;                                                   \
        va_start(arguments, flags);                                          \
        const mode_t mode = holdfast::mode_of(flags, arguments);             \
        va_end(arguments);                                                   \
        return holdfast::do_open(AT_FDCWD, path, flags, mode);               \
    }
HF_OPEN(open)
HF_OPEN(open64)
#undef HF_OPEN

#define HF_OPENAT(name)                                                      \
    int name(int directory, const char* path, int flags, ...) {              \
        va_list arguments;                                                   \
        va_start(arguments, flags);                                          \
        const mode_t mode = holdfast::mode_of(flags, arguments);             \
        va_end(arguments);                                                   \
        return holdfast::do_open(directory, path, flags, mode);              \
    }
HF_OPENAT(openat)
HF_OPENAT(openat64)
#undef HF_OPENAT

ssize_t write(int fd, const void* data, size_t bytes) {
    return holdfast::do_write(fd, data, bytes, std::nullopt);
}
ssize_t pwrite(int fd, const void* data, size_t bytes, off_t offset) {
    return holdfast::do_write(fd, data, bytes, offset);
}
ssize_t pwrite64(int fd, const void* data, size_t bytes, off64_t offset) {
    return holdfast::do_write(fd, data, bytes, offset);
}
ssize_t read(int fd, void* data, size_t bytes) {
    return holdfast::read_fails(fd) ? -1 : ::syscall(SYS_read, fd, data, bytes);
}
ssize_t pread(int fd, void* data, size_t bytes, off_t offset) {
    return holdfast::read_fails(fd) ? -1 : ::syscall(SYS_pread64, fd, data, bytes, offset);
}
ssize_t pread64(int fd, void* data, size_t bytes, off64_t offset) {
    return holdfast::read_fails(fd) ? -1 : ::syscall(SYS_pread64, fd, data, bytes, offset);
}

int ftruncate(int fd, off_t bytes) __THROW { return holdfast::do_resize(fd, bytes, false); }
int ftruncate64(int fd, off64_t bytes) __THROW { return holdfast::do_resize(fd, bytes, false); }
int fallocate(int fd, int mode, off_t offset, off_t bytes) {
    return holdfast::do_fallocate(fd, mode, offset, bytes);
}
int fallocate64(int fd, int mode, off64_t offset, off64_t bytes) {
    return holdfast::do_fallocate(fd, mode, offset, bytes);
}
int posix_fallocate(int fd, off_t offset, off_t bytes) {
    return holdfast::do_fallocate(fd, 0, offset, bytes) == 0 ? 0 : errno;
}
int posix_fallocate64(int fd, off64_t offset, off64_t bytes) {
    return holdfast::do_fallocate(fd, 0, offset, bytes) == 0 ? 0 : errno;
}

int fsync(int fd) {
    return holdfast::do_sync(fd, false, [&] { return ::syscall(SYS_fsync, fd); });
}
int fdatasync(int fd) {
    return holdfast::do_sync(fd, false, [&] { return ::syscall(SYS_fdatasync, fd); });
}
int syncfs(int fd) __THROW {
    return holdfast::do_sync(fd, true, [&] { return ::syscall(SYS_syncfs, fd); });
}

int renameat2(int from_at, const char* from, int to_at, const char* to, unsigned flags) __THROW {
    const bool exchanges = (flags & RENAME_EXCHANGE) != 0;
    const auto kind = exchanges ? holdfast::SystemCall::Kind::exchange : holdfast::SystemCall::Kind::rename;
    return holdfast::do_rename(kind, from_at, from, to_at, to, [&] {
        return ::syscall(SYS_renameat2, from_at, from, to_at, to, flags);
    });
}
int renameat(int from_at, const char* from, int to_at, const char* to) __THROW {
    return renameat2(from_at, from, to_at, to, 0);
}
int rename(const char* from, const char* to) __THROW {
    return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0);
}
int linkat(int from_at, const char* from, int to_at, const char* to, int flags) __THROW {
    return holdfast::do_rename(holdfast::SystemCall::Kind::link, from_at, from, to_at, to, [&] {
        return ::syscall(SYS_linkat, from_at, from, to_at, to, flags);
    });
}
int link(const char* from, const char* to) __THROW { return linkat(AT_FDCWD, from, AT_FDCWD, to, 0); }

int unlinkat(int at, const char* path, int flags) __THROW {
    return holdfast::do_named(holdfast::SystemCall::Kind::remove, at, path,
                              [&] { return ::syscall(SYS_unlinkat, at, path, flags); });
}
int unlink(const char* path) __THROW { return unlinkat(AT_FDCWD, path, 0); }
int rmdir(const char* path) __THROW { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }
int mkdirat(int at, const char* path, mode_t mode) __THROW {
    return holdfast::do_named(holdfast::SystemCall::Kind::make_directory, at, path,
                              [&] { return ::syscall(SYS_mkdirat, at, path, mode); });
}
int mkdir(const char* path, mode_t mode) __THROW { return mkdirat(AT_FDCWD, path, mode); }

}  // extern "C"
