#include "base/file_io.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <vector>

namespace holdfast {

Result<UniqueFd> open_file(const std::string& path, int flags, unsigned mode) {
    for (;;) {
        UniqueFd fd(::open(path.c_str(), flags | O_CLOEXEC, mode));
        if (fd.valid()) return fd;
        if (errno != EINTR) return Error::from_errno(errno, path);
    }
}

Result<std::size_t> read_at(int fd, MutableByteSpan out, std::uint64_t offset, const char* what) {
    std::size_t done = 0;
    while (done < out.size()) {
        const ssize_t count = ::pread(
            fd, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return Error::from_errno(errno, what);
        if (count == 0) break;
        done += static_cast<std::size_t>(count);
    }
    return done;
}

Status write_all(int fd, ByteSpan data, const char* what) {
    while (!data.empty()) {
        const ssize_t count = ::write(fd, data.data(), data.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return Error::from_errno(errno, what);
        data = data.subspan(static_cast<std::size_t>(count));
    }
    return {};
}

Status write_at(int fd, ByteSpan data, std::uint64_t offset, const char* what) {
    while (!data.empty()) {
        const ssize_t count = ::pwrite(fd, data.data(), data.size(), static_cast<off_t>(offset));
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return Error::from_errno(errno, what);
        data = data.subspan(static_cast<std::size_t>(count));
        offset += static_cast<std::size_t>(count);
    }
    return {};
}

Result<Bytes> read_file(const std::string& path, std::uint64_t limit_bytes) {
    HF_TRY(const UniqueFd fd, open_file(path, O_RDONLY));
    struct stat info{};
    if (::fstat(fd.get(), &info) != 0) return Error::from_errno(errno, path);
    if (static_cast<std::uint64_t>(info.st_size) > limit_bytes)
        return Error(ErrorCode::invalid_argument, path + ": larger than expected");
    // Files of /proc have no size, and a pipe has none: read on until the end, in any case.
    auto data = read_stream(fd.get(), limit_bytes);
    if (!data.ok()) return std::move(data).error().with_context("reading " + path);
    return data;
}

Result<Bytes> read_stream(int fd, std::uint64_t limit_bytes) {
    Bytes data;
    std::size_t used = 0;
    for (;;) {
        data.resize(used + 65536);
        const ssize_t count = ::read(fd, data.data() + used, data.size() - used);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return Error::from_errno(errno, "reading");
        if (count == 0) break;
        used += static_cast<std::size_t>(count);
        if (used > limit_bytes) return Error(ErrorCode::invalid_argument, "more than expected");
    }
    data.resize(used);
    return data;
}

Result<UniqueFd> open_temporary_file() {
    const char* wished = std::getenv("TMPDIR");
    const std::string directory = wished != nullptr && *wished != '\0' ? wished : "/var/tmp";
    UniqueFd fd(::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
    if (fd.valid()) return fd;
    // Some file systems have no nameless files.
    std::string name = directory + "/holdfast.XXXXXX";
    fd = UniqueFd(::mkostemp(name.data(), O_CLOEXEC));
    if (!fd.valid()) return Error::from_errno(errno, "making a temporary file in " + directory);
    ::unlink(name.c_str());
    return fd;
}

Status sync_directory(const std::string& path) {
    HF_TRY(const UniqueFd fd, open_file(path, O_RDONLY | O_DIRECTORY));
    if (::fsync(fd.get()) != 0) return Error::from_errno(errno, path);
    return {};
}

Result<UniqueFd> open_successor(const std::string& temporary, unsigned mode) {
    // Another user may own the directory: what he leaves under this name, a link above all, is taken away and not written to.
    constexpr int most_tries = 100;
    for (int tries = 0; tries < most_tries; ++tries) {
        auto fd = open_file(temporary, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK, mode);
        struct stat opened{}, named{};
        if (fd.ok() && ::fstat(fd->get(), &opened) != 0) return Error::from_errno(errno, temporary);
        const bool is_own = fd.ok() && S_ISREG(opened.st_mode) && opened.st_nlink <= 1 && opened.st_uid == ::geteuid();
        if (!is_own && ::lstat(temporary.c_str(), &named) != 0) {
            if (errno == ENOENT && fd.ok()) continue;  // renamed meanwhile
            return fd.ok() ? Error::from_errno(errno, temporary) : fd.error();
        }
        if (!is_own) {
            const bool is_foreign = !S_ISREG(named.st_mode) || named.st_nlink > 1 || named.st_uid != ::geteuid();
            if (!fd.ok() && !is_foreign) return fd.error();
            if (is_foreign && ::unlink(temporary.c_str()) != 0) return Error::from_errno(errno, temporary);
            continue;
        }
        // Some file systems have no locks.
        if (::flock(fd->get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
            return Error(ErrorCode::conflict, temporary + ": another process writes it");
        // Whoever had the lock has renamed it since it was opened: others may have it mapped now.
        if (::lstat(temporary.c_str(), &named) != 0 || named.st_ino != opened.st_ino) continue;
        if (::ftruncate(fd->get(), 0) != 0) return Error::from_errno(errno, temporary);
        return std::move(fd).value();
    }
    return Error(ErrorCode::conflict, temporary + ": somebody puts something else in its place");
}

Status replace_file(const std::string& path, ByteSpan data, unsigned mode) {
    const std::string temporary = path + ".new";
    HF_TRY(const UniqueFd fd, open_successor(temporary, mode));
    HF_TRY_STATUS(write_all(fd.get(), data, temporary.c_str()));
    if (::fsync(fd.get()) != 0) return Error::from_errno(errno, temporary);
    if (::rename(temporary.c_str(), path.c_str()) != 0) return Error::from_errno(errno, path);
    const std::size_t slash = path.rfind('/');
    return sync_directory(slash == std::string::npos ? "." : path.substr(0, slash + 1));
}

Status make_directories(const std::string& path, unsigned mode) {
    for (std::size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
        const std::string part = path.substr(0, slash);
        if (::mkdir(part.c_str(), mode) != 0 && errno != EEXIST)
            return Error::from_errno(errno, part);
        if (slash == std::string::npos) return {};
    }
}

Status make_durable_directories(const std::string& path, unsigned mode) {
    // Parents of what is missing; and the last one's, which a killed process may have left unsynced.
    std::vector<std::string> parents;
    std::string part = path;
    while (part.size() > 1 && part.back() == '/') part.pop_back();
    for (;;) {
        const std::size_t slash = part.rfind('/');
        const std::string parent = slash == std::string::npos ? "." : slash == 0 ? "/" : part.substr(0, slash);
        parents.push_back(parent);
        struct stat info{};
        if (::stat(parent.c_str(), &info) == 0 || parent.size() <= 1) break;
        part = parent;
    }
    HF_TRY_STATUS(make_directories(path, mode));
    for (const std::string& parent : parents) {
        Status synced = sync_directory(parent);
        // One that may be passed through and not be read: nobody but its owner can sync it.
        if (!synced.ok() && synced.error().code() != ErrorCode::permission_denied) return synced;
    }
    return {};
}

}  // namespace holdfast
