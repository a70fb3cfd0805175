#include "restore/file_writer.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/file_io.h"

namespace holdfast {
namespace {

// What is compared, and written, at a time when a file is there already.
constexpr std::size_t compare_bytes = 64u << 10;

// Nobody may read a file before it has its owner, its mode and its ACL. When the owner is who
// restores and there is no ACL, the mode can be right from the start, which saves a change of it.
mode_t creation_mode(const Metadata& metadata) {
    static const uid_t own_user = ::geteuid();
    static const gid_t own_group = ::getegid();
    const bool is_own = metadata.uid == own_user && metadata.gid == own_group;
    return is_own && metadata.xattrs.empty() ? metadata.mode & 0777 : 0600;
}

}  // namespace

bool FileWriter::is_present() const {
    struct stat info{};
    if (::fstatat(directory_->fd(), entry_.name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0)
        return false;
    const TimeNs mtime = info.st_mtim.tv_sec * ns_per_second + info.st_mtim.tv_nsec;
    return S_ISREG(info.st_mode) &&
           static_cast<std::uint64_t>(info.st_size) == entry_.metadata.size &&
           mtime == entry_.metadata.mtime;
}

Status FileWriter::apply_to_present() {
    const UniqueFd fd(::openat(directory_->fd(), entry_.name.c_str(),
                               O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
    struct stat now{};
    if (!fd.valid() || ::fstat(fd.get(), &now) != 0) return Error::from_errno(errno, "opening");
    return apply_metadata(fd.get(), now, entry_.metadata);
}

// A file that is there: written in place if only we can see it, else replaced.
Status FileWriter::open_existing() {
    const char* name = entry_.name.c_str();
    struct stat info{};
    if (overwrite_ == Overwrite::changed) {
        fd_ = UniqueFd(::openat(directory_->fd(), name, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
        in_place_ = fd_.valid() && ::fstat(fd_.get(), &info) == 0 && S_ISREG(info.st_mode) &&
                    info.st_nlink == 1;
        if (in_place_) return {};
    }
    HF_TRY_STATUS(directory_->remove_tree(entry_.name));
    if (!create()) return Error::from_errno(errno, path());
    return {};
}

// The target's fault: the repository is not damaged by it.
Error FileWriter::differs(const std::string& how) const {
    return Error(ErrorCode::conflict,
                 path() + ' ' + how + " (`restore --overwrite always` writes it anew)");
}

Status FileWriter::open() {
    if (fd_.valid()) return {};
    if (purpose_ == Purpose::compare) {
        fd_ = UniqueFd(::openat(directory_->fd(), entry_.name.c_str(),
                                O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
        if (!fd_.valid()) return differs(std::string("cannot be read back: ") + std::strerror(errno));
        return {};
    }
    if (create()) return {};
    if (errno == EEXIST && overwrite_ != Overwrite::never) return open_existing();
    return Error::from_errno(errno, path());
}

bool FileWriter::create() {
    fd_ = UniqueFd(::openat(directory_->fd(), entry_.name.c_str(),
                            O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                            creation_mode(entry_.metadata)));
    is_new_ = fd_.valid();
    if (is_new_) blocks_.begin(fd_.get(), entry_.metadata.size);
    return is_new_;
}

Result<std::uint64_t> FileWriter::compare(std::uint64_t offset, ByteSpan content) const {
    Bytes there(std::min(content.size(), compare_bytes));
    std::uint64_t written = 0;
    for (std::size_t done = 0; done < content.size();) {
        const ByteSpan part = content.subspan(done, std::min(there.size(), content.size() - done));
        const MutableByteSpan buffer = MutableByteSpan(there).first(part.size());
        HF_TRY(const std::size_t count, read_at(fd_.get(), buffer, offset + done, "reading back"));
        if (count != part.size() || !std::equal(part.begin(), part.end(), buffer.begin())) {
            if (purpose_ == Purpose::compare)
                return differs("differs from the restore point");
            HF_TRY_STATUS(write_at(fd_.get(), part, offset + done, entry_.name.c_str()));
            written += part.size();
        }
        done += part.size();
    }
    return written;
}

Result<std::uint64_t> FileWriter::data(std::uint64_t offset, ByteSpan content) {
    {
        std::lock_guard lock(mutex_);
        HF_TRY_STATUS(open());
    }
    if (in_place_ || purpose_ == Purpose::compare) return compare(offset, content);
    // The kernel lets one thread at a time write to a file, and the others spin: here they sleep.
    std::lock_guard lock(writing_);
    HF_TRY_STATUS(blocks_.write(offset, content, entry_.name.c_str()));
    written_end_ = std::max(written_end_, offset + content.size());
    return std::uint64_t{content.size()};
}

Status FileWriter::empty(RunKind kind, std::uint64_t offset, std::uint64_t bytes) {
    std::lock_guard lock(mutex_);
    HF_TRY_STATUS(open());
    const off_t start = static_cast<off_t>(offset), length = static_cast<off_t>(bytes);
    if (purpose_ == Purpose::compare) {
        static const Bytes zeros(compare_bytes);
        for (std::uint64_t done = 0; done < bytes; done += compare_bytes) {
            const std::size_t part =
                static_cast<std::size_t>(std::min<std::uint64_t>(compare_bytes, bytes - done));
            HF_TRY(const std::uint64_t same, compare(offset + done, ByteSpan(zeros).first(part)));
            (void)same;
        }
        return {};
    }
    if (in_place_) {
        // The file must be long enough for what is kept in it.
        struct stat info{};
        if (::fstat(fd_.get(), &info) != 0) return Error::from_errno(errno, path());
        if (info.st_size < start + length && ::ftruncate(fd_.get(), start + length) != 0)
            return Error::from_errno(errno, path());
        if (::fallocate(fd_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, start, length) != 0) {
            static const Bytes zeros(compare_bytes);
            for (std::uint64_t done = 0; done < bytes; done += compare_bytes) {
                const std::size_t part =
                    static_cast<std::size_t>(std::min<std::uint64_t>(compare_bytes, bytes - done));
                HF_TRY_STATUS(write_at(fd_.get(), ByteSpan(zeros).first(part), offset + done,
                                       entry_.name.c_str()));
            }
        }
    }
    // Zeros that were stored as zeros take their place on the disk; a file system that cannot
    // reserve it leaves a hole, which reads the same.
    if (kind == RunKind::zeros) {
        if (::fallocate(fd_.get(), 0, start, length) != 0 && errno == ENOSPC)
            return Error::from_errno(errno, path());
    }
    return {};
}

Status FileWriter::complete_content() {
    std::lock_guard lock(mutex_);
    HF_TRY_STATUS(open());
    // A new file, written to its end. Nobody else writes to it any more: this was the last piece.
    if (is_new_ && written_end_ == entry_.metadata.size) return {};
    struct stat info{};
    const auto size = static_cast<off_t>(entry_.metadata.size);
    if (::fstat(fd_.get(), &info) != 0) return Error::from_errno(errno, path());
    if (info.st_size == size) return {};
    if (purpose_ == Purpose::compare)
        return differs("is not of the size in the restore point");
    if (::ftruncate(fd_.get(), size) != 0) return Error::from_errno(errno, path());
    return {};
}

Status FileWriter::complete_metadata() {
    std::lock_guard lock(mutex_);
    struct stat info{};
    if (::fstat(fd_.get(), &info) != 0) return Error::from_errno(errno, path());
    const auto has = is_new_ && !directory_->gives_acl() ? OtherXattrs::none : OtherXattrs::possible;
    HF_TRY_STATUS(apply_metadata(fd_.get(), info, entry_.metadata, has));
    fd_.reset();
    return {};
}

void FileWriter::give_up() {
    std::lock_guard lock(mutex_);
    struct stat own{}, named{};
    const char* name = entry_.name.c_str();
    // The name may be somebody else's by now.
    if (is_new_ && ::fstat(fd_.get(), &own) == 0 &&
        ::fstatat(directory_->fd(), name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
        identity_of(own) == identity_of(named))
        (void)::unlinkat(directory_->fd(), name, 0);
    fd_.reset();
}

}  // namespace holdfast
