#include "restore/special_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace holdfast {
namespace {

// Whether the link is there as the restore point has it: it may lead to what is kept, and stays.
bool is_same_link(const TargetDirectory& directory, const Entry& entry) {
    if (entry.metadata.type != EntryType::symlink) return false;
    std::string there(entry.metadata.target.size() + 1, '\0');
    const ssize_t size =
        ::readlinkat(directory.fd(), entry.name.c_str(), there.data(), there.size());
    if (size < 0) return false;
    there.resize(static_cast<std::size_t>(size));
    return there == entry.metadata.target;
}

}  // namespace

Status make_special_file(TargetDirectory& directory, const Entry& entry, Overwrite overwrite) {
    const Metadata& metadata = entry.metadata;
    const char* name = entry.name.c_str();
    const auto make = [&]() -> int {
        if (metadata.type == EntryType::symlink)
            return ::symlinkat(metadata.target.c_str(), directory.fd(), name);
        mode_t type = S_IFIFO;
        if (metadata.type == EntryType::socket) type = S_IFSOCK;
        if (metadata.type == EntryType::char_device) type = S_IFCHR;
        if (metadata.type == EntryType::block_device) type = S_IFBLK;
        return ::mknodat(directory.fd(), name, type | 0600, metadata.device);
    };
    int result = make();
    if (result != 0 && errno == EEXIST && overwrite != Overwrite::never) {
        if (is_same_link(directory, entry)) {
            result = 0;
        } else {
            HF_TRY_STATUS(directory.remove_tree(entry.name));
            result = make();
        }
    }
    if (result != 0) return Error::from_errno(errno, directory.path() + '/' + entry.name);
    return {};
}

}  // namespace holdfast
