// What is left out of a source of files, as it is asked for: the same for `backup` and `diff --live`.
#pragma once

#include <string>
#include <vector>

#include "api/repository_access.h"

namespace holdfast {

struct FilesOptions;

struct ExcludeRequest {
    std::vector<std::string> patterns;
    std::vector<std::string> pattern_files;
    std::vector<std::string> if_present;
    bool caches = false;
    bool nodump = false;
    bool one_file_system = false;

    bool operator==(const ExcludeRequest&) const = default;
};

// `root` is the absolute path of the source.
// Errors: invalid_argument for a bad pattern; those of reading the files of patterns.
Result<FilesOptions> files_options(const ExcludeRequest& request, const std::string& root);

// A repository inside its own source, and the cache: those that are there are left out.
void leave_out_own_places(const ResolvedAccess& access, FilesOptions& options);

}  // namespace holdfast
