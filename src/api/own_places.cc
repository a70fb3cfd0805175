#include "api/own_places.h"

#include "base/file_identity.h"
#include "storage/storage.h"

namespace holdfast {

std::vector<std::string> own_directories(const ResolvedAccess& access) {
    std::vector<std::string> directories;
    if (const auto repository = local_directory(access.repository))
        directories.push_back(*repository);
    if (!access.cache_directory.empty()) directories.push_back(access.cache_directory);
    return directories;
}

std::vector<std::string> own_files(const ResolvedAccess& access, const RepositoryId& repository) {
    if (access.request.key_file) return {*access.request.key_file};
    if (access.request.passphrase_file) return {*access.request.passphrase_file};
    if (access.request.passphrase_command || access.request.passphrase_variable) return {};
    return {default_key_path(repository)};
}

Status check_outside_repository(const std::string& what,
                                const std::string& path,
                                const ResolvedAccess& access) {
    const auto repository = local_directory(access.repository);
    if (!repository || !lies_in(path, *repository)) return {};
    return Error(ErrorCode::invalid_argument, what + ' ' + path + " is the repository, or in it");
}

}  // namespace holdfast
