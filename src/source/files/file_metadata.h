// What the kernel tells of a file, as Metadata.
#pragma once

#include <sys/stat.h>

#include "base/result.h"
#include "format/entry.h"

namespace holdfast {

// The attribute bits that are kept: immutable, append-only, nodump, compressed; the numbers are
// those of FS_*_FL.
Metadata metadata_of(const struct statx& info, std::uint32_t file_system);

// statx of `name` in `directory`, not following a symlink; an empty name: of the descriptor itself.
Result<struct statx> stat_entry(int directory, const char* name);

// Extended attributes of an open file; of `path`, not following a symlink. Sorted by name; those
// that this process may not read are left out; a file system without them has none.
Result<std::vector<ExtendedAttribute>> read_xattrs(int fd);
Result<std::vector<ExtendedAttribute>> read_xattrs(const std::string& path);

}  // namespace holdfast
