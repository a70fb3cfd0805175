// Which file it is, whatever name leads to it.
#pragma once

#include <sys/stat.h>

#include <compare>
#include <cstdint>
#include <optional>
#include <set>
#include <string>

namespace holdfast {

struct FileIdentity {
    std::uint64_t device = 0, inode = 0;
    auto operator<=>(const FileIdentity&) const = default;
};
using FileIdentities = std::set<FileIdentity>;

FileIdentity identity_of(const struct stat& info);
FileIdentity identity_of(const struct statx& info);
enum class LastLink { follow, keep };
// Nothing when `path` is not there.
std::optional<FileIdentity> identify(const std::string& path, LastLink mode);

// Whether `path` is `directory` or is below it. What of `path` is missing counts as below what is
// there.
bool lies_in(const std::string& path, const std::string& directory);

}  // namespace holdfast
