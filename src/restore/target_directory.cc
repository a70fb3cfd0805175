#include "restore/target_directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "base/file_io.h"
#include "base/string_sorter.h"

namespace holdfast {
namespace {

constexpr int open_flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

struct DirectoryCloser {
    void operator()(DIR* directory) const { ::closedir(directory); }
};

timespec timespec_of(TimeNs time) {
    std::int64_t seconds = time / ns_per_second, nanos = time % ns_per_second;
    if (nanos < 0) {
        nanos += ns_per_second;
        --seconds;
    }
    return {seconds, nanos};
}

// Whether `name` (or, if it is empty, the directory itself) is where a mount begins. Linux tells since 5.8.
bool is_mounted(int directory, const char* name) {
    struct statx info{};
    const int flags = AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT;
    return ::statx(directory, name, flags, STATX_TYPE, &info) == 0 &&
           (info.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

bool is_privileged() {
    static const bool root = ::geteuid() == 0;
    return root;
}

}  // namespace

Result<std::shared_ptr<TargetDirectory>> TargetDirectory::open_root(
    const std::string& path, const KeptPlaces& kept) {
    HF_TRY_STATUS(make_directories(path, 0777));
    HF_TRY(UniqueFd fd, open_file(path, O_RDONLY | O_DIRECTORY));
    return std::shared_ptr<TargetDirectory>(
        new TargetDirectory(std::move(fd), nullptr, path, kept));
}

TargetDirectory::~TargetDirectory() {
    if (finish_) finish_(*this);
}

bool TargetDirectory::gives_acl() const {
    if (acl_ == Acl::unknown) {
        const bool has_none = ::fgetxattr(fd_.get(), "system.posix_acl_default", nullptr, 0) < 0 &&
                              (errno == ENODATA || errno == ENOTSUP);
        acl_ = has_none ? Acl::none : Acl::given;
    }
    return acl_ == Acl::given;
}

std::string TargetDirectory::path() const {
    return parent_ ? parent_->path() + '/' + name_ : name_;
}

Result<std::shared_ptr<TargetDirectory>> TargetDirectory::open_child(
    const std::shared_ptr<TargetDirectory>& parent, const std::string& name) {
    HF_CHECK(is_valid_name(name));
    const std::string path = parent->path() + '/' + name;
    UniqueFd fd(::openat(parent->fd(), name.c_str(), open_flags));
    if (!fd.valid()) {
        if (errno == ENOTDIR || errno == ELOOP)
            return Error(ErrorCode::conflict, path + ": not a directory");
        return Error::from_errno(errno, path);
    }
    struct stat info{};
    if (::fstat(fd.get(), &info) != 0) return Error::from_errno(errno, path);
    if (parent->kept_.standing(identity_of(info)) == KeptPlaces::Standing::kept)
        return left_alone(path);
    return std::shared_ptr<TargetDirectory>(
        new TargetDirectory(std::move(fd), parent, name, parent->kept_));
}

Result<std::shared_ptr<TargetDirectory>> TargetDirectory::make_child(
    const std::shared_ptr<TargetDirectory>& parent, const std::string& name, InTheWay mode) {
    HF_CHECK(is_valid_name(name));
    // Only we may enter until its own mode is set.
    if (::mkdirat(parent->fd(), name.c_str(), 0700) != 0 && errno != EEXIST)
        return Error::from_errno(errno, parent->path() + '/' + name);
    auto opened = open_child(parent, name);
    if (opened.ok() || opened.error().code() != ErrorCode::conflict || mode == InTheWay::keep)
        return opened;
    HF_TRY_STATUS(parent->remove_tree(name));
    if (::mkdirat(parent->fd(), name.c_str(), 0700) != 0)
        return Error::from_errno(errno, parent->path() + '/' + name);
    return open_child(parent, name);
}

Status TargetDirectory::for_each_name(const std::function<Status(const std::string&)>& visit) {
    UniqueFd fd(::openat(fd_.get(), ".", open_flags));
    if (!fd.valid()) return Error::from_errno(errno, path());
    const std::unique_ptr<DIR, DirectoryCloser> directory(::fdopendir(fd.get()));
    if (!directory) return Error::from_errno(errno, path());
    fd.release();
    for (;;) {
        errno = 0;
        const dirent* entry = ::readdir(directory.get());
        if (entry == nullptr) break;
        const std::string name = entry->d_name;
        if (name != "." && name != "..") HF_TRY_STATUS(visit(name));
    }
    if (errno != 0) return Error::from_errno(errno, path());
    return {};
}

Error left_alone(const std::string& path) {
    return Error(ErrorCode::refused, path +
                                         ": left alone: the repository, its cache or its key is "
                                         "there");
}

KeptPlaces::Standing TargetDirectory::standing_of(const std::string& name) const {
    struct stat info{};
    if (::fstatat(fd_.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0)
        return KeptPlaces::Standing::free;
    return kept_.standing(identity_of(info));
}

bool TargetDirectory::is_mount_point() const {
    return is_mounted(fd_.get(), "");
}

Status TargetDirectory::remove_tree(const std::string& name) {
    const std::string full = path() + '/' + name;
    if (standing_of(name) != KeptPlaces::Standing::free) return left_alone(full);
    if (is_mounted(fd_.get(), name.c_str()))
        return Error(ErrorCode::refused, full + ": left alone: something is mounted there");
    if (::unlinkat(fd_.get(), name.c_str(), 0) == 0 || errno == ENOENT) return {};
    if (errno != EISDIR && errno != EPERM) return Error::from_errno(errno, full);
    {
        UniqueFd fd(::openat(fd_.get(), name.c_str(), open_flags));
        if (!fd.valid()) return Error::from_errno(errno, full);
        TargetDirectory child(std::move(fd), nullptr, full, kept_);
        // All names first: a directory that shrinks while it is listed may tell some of them not.
        StringSorter names;
        HF_TRY_STATUS(child.for_each_name([&names](const std::string& n) { return names.add(n); }));
        HF_TRY_STATUS(names.finish());
        std::string inner;
        for (;;) {
            HF_TRY(const bool is_name, names.next(inner));
            if (!is_name) break;
            HF_TRY_STATUS(child.remove_tree(inner));
        }
    }
    if (::unlinkat(fd_.get(), name.c_str(), AT_REMOVEDIR) != 0)
        return Error::from_errno(errno, full);
    return {};
}

namespace {

// What the file has and should not: an inherited ACL, an attribute of an older version.
void remove_other_xattrs(int fd, const Metadata& metadata) {
    char names[4096];
    const ssize_t size = ::flistxattr(fd, names, sizeof names);
    for (ssize_t i = 0; i < size;) {
        const std::string name = names + i;
        i += static_cast<ssize_t>(name.size()) + 1;
        if (!name.starts_with("user.") && !name.starts_with("system.posix_acl_") &&
            name != "security.capability")
            continue;
        const bool wanted = std::any_of(metadata.xattrs.begin(), metadata.xattrs.end(),
                                        [&name](const auto& a) { return a.name == name; });
        if (!wanted) (void)::fremovexattr(fd, name.c_str());
    }
}

}  // namespace

Status apply_metadata(int fd, const struct stat& now, const Metadata& metadata, OtherXattrs other) {
    // The owner first: a change of owner clears set-user-id bits and capabilities.
    const bool other_owner = now.st_uid != metadata.uid || now.st_gid != metadata.gid;
    if (is_privileged() && other_owner && ::fchown(fd, metadata.uid, metadata.gid) != 0)
        return Error::from_errno(errno, "owner");
    Status problem;
    if (other == OtherXattrs::possible) remove_other_xattrs(fd, metadata);
    for (const ExtendedAttribute& attribute : metadata.xattrs) {
        if (::fsetxattr(fd, attribute.name.c_str(), attribute.value.data(), attribute.value.size(),
                        0) != 0 &&
            problem.ok())
            problem = Error::from_errno(errno, attribute.name);
    }
    if (((now.st_mode & 07777) != metadata.mode || other_owner || !metadata.xattrs.empty()) &&
        ::fchmod(fd, metadata.mode) != 0)
        return Error::from_errno(errno, "mode");
    const timespec times[2] = {{0, UTIME_OMIT}, timespec_of(metadata.mtime)};
    if (::futimens(fd, times) != 0) return Error::from_errno(errno, "times");
    // Last, for an immutable file takes no more changes.
    if (metadata.attributes != 0) {
        int flags = 0;
        if (::ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0) {
            flags |= static_cast<int>(metadata.attributes);
            if (::ioctl(fd, FS_IOC_SETFLAGS, &flags) != 0 && problem.ok())
                problem = Error::from_errno(errno, "attributes");
        }
    }
    return problem;
}

Status apply_metadata_now(const TargetDirectory& directory, const Metadata& metadata) {
    struct stat now{};
    Status applied = ::fstat(directory.fd(), &now) == 0 ? apply_metadata(directory.fd(), now, metadata)
                                                        : Status(Error::from_errno(errno, "reading the mode"));
    if (applied.ok()) return {};
    return std::move(applied).error().with_context("restoring " + directory.path());
}

Status apply_metadata_at(const TargetDirectory& directory,
                         const std::string& name,
                         const Metadata& metadata) {
    const std::string path = directory.path() + '/' + name;
    if (is_privileged() && ::fchownat(directory.fd(), name.c_str(), metadata.uid, metadata.gid,
                                      AT_SYMLINK_NOFOLLOW) != 0)
        return Error::from_errno(errno, path + ": owner");
    const std::string through = "/proc/self/fd/" + std::to_string(directory.fd()) + '/' + name;
    Status problem;
    for (const ExtendedAttribute& attribute : metadata.xattrs) {
        if (::lsetxattr(through.c_str(), attribute.name.c_str(), attribute.value.data(),
                        attribute.value.size(), 0) != 0 &&
            problem.ok())
            problem = Error::from_errno(errno, path + ": " + attribute.name);
    }
    // A symlink has no mode of its own.
    if (metadata.type != EntryType::symlink &&
        ::fchmodat(directory.fd(), name.c_str(), metadata.mode, 0) != 0)
        return Error::from_errno(errno, path + ": mode");
    const timespec times[2] = {{0, UTIME_OMIT}, timespec_of(metadata.mtime)};
    if (::utimensat(directory.fd(), name.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0)
        return Error::from_errno(errno, path + ": times");
    return problem;
}

}  // namespace holdfast
