// What this program itself uses on this machine: a backup leaves its directories out, and a restore
// leaves all of it alone.
#pragma once

#include <string>
#include <vector>

#include "api/repository_access.h"
#include "format/ids.h"
#include "s3/location.h"

namespace holdfast {

// The repository, if it is a directory of this machine, and the cache.
std::vector<std::string> own_directories(const ResolvedAccess& access);
// What opens the repository: the key file or the passphrase file.
std::vector<std::string> own_files(const ResolvedAccess& access, const RepositoryId& repository);

// Errors: invalid_argument when `path` is the repository, or in it. `what` begins the message:
// "the source".
Status check_outside_repository(const std::string& what,
                                const std::string& path,
                                const ResolvedAccess& access);
// The same for a bucket, which may also have the repository in it.
Status check_outside_repository(const std::string& what, const S3BucketUrl& bucket, const ResolvedAccess& access);

}  // namespace holdfast
