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

Status check_outside_repository(const std::string& what, const S3BucketUrl& bucket, const ResolvedAccess& access) {
    constexpr std::string_view scheme = "s3:";
    if (!access.repository.starts_with(scheme)) return {};
    const auto repository = parse_s3_location(access.repository.substr(scheme.size()), process_environment());
    const S3Location& other = bucket.location;
    if (!repository.ok() || repository->authority != other.authority || repository->bucket != other.bucket) return {};
    // One of them below the other.
    const std::string a = repository->prefix.empty() ? "" : repository->prefix + '/';
    const std::string b = other.prefix.empty() ? "" : other.prefix + '/';
    if (!a.starts_with(b) && !b.starts_with(a)) return {};
    return Error(ErrorCode::invalid_argument,
                 what + ' ' + bucket.name() + " is in one place with the repository " + access.repository);
}

}  // namespace holdfast
