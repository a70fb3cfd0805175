#include "base/file_identity.h"

#include <fcntl.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

namespace holdfast {
namespace {

struct FreeDeleter {
    void operator()(char* text) const { std::free(text); }
};

// Without links and dots; of a path that is missing, the nearest above it that is there.
std::string real_directory(std::string path) {
    for (;;) {
        const std::unique_ptr<char, FreeDeleter> real(
            ::realpath(path.empty() ? "." : path.c_str(), nullptr));
        if (real) return real.get();
        if (path.empty() || path == "/") return "/";
        while (path.size() > 1 && path.back() == '/') path.pop_back();
        const std::size_t slash = path.rfind('/');
        path.resize(slash == std::string::npos ? 0 : slash == 0 ? 1 : slash);
    }
}

}  // namespace

FileIdentity identity_of(const struct stat& info) {
    return {std::uint64_t{gnu_dev_major(info.st_dev)} << 32 | gnu_dev_minor(info.st_dev),
            info.st_ino};
}

FileIdentity identity_of(const struct statx& info) {
    return {std::uint64_t{info.stx_dev_major} << 32 | info.stx_dev_minor, info.stx_ino};
}

std::optional<FileIdentity> identify(const std::string& path, LastLink mode) {
    struct stat info{};
    const int flags = mode == LastLink::keep ? AT_SYMLINK_NOFOLLOW : 0;
    if (::fstatat(AT_FDCWD, path.c_str(), &info, flags) != 0) return std::nullopt;
    return identity_of(info);
}

bool lies_in(const std::string& path, const std::string& directory) {
    const auto wanted = identify(directory, LastLink::follow);
    if (!wanted) return false;
    std::string place = real_directory(path);
    for (;;) {
        if (identify(place, LastLink::follow) == wanted) return true;
        if (place == "/") return false;
        place.resize(std::max<std::size_t>(place.rfind('/'), 1));
    }
}

}  // namespace holdfast
