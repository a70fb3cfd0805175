#include "source/files/file_metadata.h"

#include <fcntl.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include <algorithm>
#include <cerrno>
#include <functional>

namespace holdfast {
namespace {

constexpr std::uint32_t fs_compr = 0x4, fs_immutable = 0x10, fs_append = 0x20, fs_nodump = 0x40;

TimeNs time_of(const struct statx_timestamp& time) {
    return time.tv_sec * ns_per_second + time.tv_nsec;
}

EntryType type_of(unsigned mode) {
    switch (mode & S_IFMT) {
        case S_IFDIR: return EntryType::directory;
        case S_IFLNK: return EntryType::symlink;
        case S_IFIFO: return EntryType::fifo;
        case S_IFSOCK: return EntryType::socket;
        case S_IFCHR: return EntryType::char_device;
        case S_IFBLK: return EntryType::block_device;
        default: return EntryType::file;
    }
}

}  // namespace

Metadata metadata_of(const struct statx& info, std::uint32_t file_system) {
    Metadata m;
    m.type = type_of(info.stx_mode);
    m.mode = info.stx_mode & 07777;
    m.uid = info.stx_uid;
    m.gid = info.stx_gid;
    m.mtime = time_of(info.stx_mtime);
    m.ctime = time_of(info.stx_ctime);
    m.inode = info.stx_ino;
    m.file_system = file_system;
    if (m.type == EntryType::file) m.size = info.stx_size;
    m.has_links = m.type != EntryType::directory && info.stx_nlink > 1;
    if (m.type == EntryType::char_device || m.type == EntryType::block_device)
        m.device = ::makedev(info.stx_rdev_major, info.stx_rdev_minor);
    const std::uint64_t set = info.stx_attributes;
    if ((set & STATX_ATTR_COMPRESSED) != 0) m.attributes |= fs_compr;
    if ((set & STATX_ATTR_IMMUTABLE) != 0) m.attributes |= fs_immutable;
    if ((set & STATX_ATTR_APPEND) != 0) m.attributes |= fs_append;
    if ((set & STATX_ATTR_NODUMP) != 0) m.attributes |= fs_nodump;
    return m;
}

Result<struct statx> stat_entry(int directory, const char* name) {
    struct statx info{};
    const int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | (*name == '\0' ? AT_EMPTY_PATH : 0);
    if (::statx(directory, name, flags, STATX_BASIC_STATS, &info) != 0)
        return Error::from_errno(errno, "looking at it");
    return info;
}

namespace {

using ListCall = std::function<ssize_t(char*, std::size_t)>;
using GetCall = std::function<ssize_t(const char*, void*, std::size_t)>;

// Calls twice, size first, and again when the attributes grew in between.
template <typename Buffer, typename Call>
int fill(Buffer& buffer, Call call) {
    for (int attempt = 0; attempt < 8; ++attempt) {
        const ssize_t size = call(buffer.data(), 0);
        if (size < 0) return errno;
        buffer.resize(static_cast<std::size_t>(size));
        if (size == 0) return 0;
        const ssize_t got = call(buffer.data(), buffer.size());
        if (got < 0 && errno == ERANGE) continue;
        if (got < 0) return errno;
        buffer.resize(static_cast<std::size_t>(got));
        return 0;
    }
    return EAGAIN;
}

Result<std::vector<ExtendedAttribute>> read_with(const ListCall& list, const GetCall& get) {
    std::vector<ExtendedAttribute> attributes;
    std::string names;
    const int error = fill(names, list);
    if (error == ENOTSUP || error == ENODATA) return attributes;
    if (error != 0) return Error::from_errno(error, "extended attributes");
    for (std::size_t i = 0; i < names.size();) {
        ExtendedAttribute attribute;
        attribute.name = names.c_str() + i;
        i += attribute.name.size() + 1;
        const int problem = fill(attribute.value, [&](std::uint8_t* data, std::size_t size) {
            return get(attribute.name.c_str(), data, size);
        });
        if (problem == 0) attributes.push_back(std::move(attribute));
        else if (problem != ENODATA && problem != EPERM && problem != EACCES && problem != ENOTSUP)
            return Error::from_errno(problem, "extended attribute " + attribute.name);
    }
    std::sort(attributes.begin(), attributes.end());
    return attributes;
}

}  // namespace

Result<std::vector<ExtendedAttribute>> read_xattrs(int fd) {
    // Most files have none: one call then.
    char probe[1];
    const ssize_t size = ::flistxattr(fd, probe, 0);
    if (size == 0) return std::vector<ExtendedAttribute>{};
    return read_with([fd](char* data, std::size_t n) { return ::flistxattr(fd, data, n); },
                     [fd](const char* name, void* data, std::size_t n) {
                         return ::fgetxattr(fd, name, data, n);
                     });
}

Result<std::vector<ExtendedAttribute>> read_xattrs(const std::string& path) {
    return read_with(
        [&path](char* data, std::size_t n) { return ::llistxattr(path.c_str(), data, n); },
        [&path](const char* name, void* data, std::size_t n) {
            return ::lgetxattr(path.c_str(), name, data, n);
        });
}

}  // namespace holdfast
