// The explicit list of storage schemes.
#include "s3/location.h"
#include "storage/local/local_storage.h"
#include "storage/rados/rados_location.h"
#include "storage/rados/rados_storage.h"
#include "storage/s3/s3_storage.h"
#include "storage/sftp/sftp_location.h"
#include "storage/sftp/sftp_storage.h"
#include "storage/storage.h"
#include "storage/swift/swift_location.h"
#include "storage/swift/swift_storage.h"
#include "storage/throttle/throttled_storage.h"

namespace holdfast {

std::optional<std::string> local_directory(const std::string& url) {
    constexpr std::string_view local_scheme = "local:";
    if (url.starts_with(local_scheme)) return url.substr(local_scheme.size());
    const std::size_t colon = url.find(':');
    const std::size_t slash = url.find('/');
    if (colon != std::string::npos && colon > 1 && (slash == std::string::npos || colon < slash))
        return std::nullopt;
    return url;
}

namespace {

Error no_such_storage(const std::string& scheme) {
    return {ErrorCode::invalid_argument,
            "no storage of this kind: '" + scheme +
                ":' (a path, local:PATH, s3:ENDPOINT/BUCKET/PREFIX, sftp://HOST/PATH, swift:CONTAINER/PREFIX, "
                "rados:POOL/NAMESPACE)"};
}

template <typename T>
Status status_of(const Result<T>& result) {
    return result.ok() ? ok_status() : Status(result.error());
}

Result<std::unique_ptr<Storage>> open_scheme(const std::string& url,
                                             OpenMode mode,
                                             const StorageOptions& options) {
    if (const auto directory = local_directory(url)) return LocalStorage::open(*directory, mode);
    const std::string scheme = url.substr(0, url.find(':')), rest = url.substr(scheme.size() + 1);
    if (scheme == "s3") return S3Storage::open(rest, mode, options);
    if (scheme == "sftp") return SftpStorage::open(rest, mode, options);
    if (scheme == "swift") return SwiftStorage::open(rest, mode, options, options.environment_or_process());
    if (scheme == "rados") return RadosStorage::open(rest, mode, options, options.environment_or_process());
    return no_such_storage(scheme);
}

}  // namespace

Status check_storage_url(const std::string& url, const Environment& environment) {
    if (local_directory(url)) return {};
    const std::string scheme = url.substr(0, url.find(':')), rest = url.substr(scheme.size() + 1);
    if (scheme == "s3") return status_of(parse_s3_location(rest, environment));
    if (scheme == "sftp") return status_of(parse_sftp_location(rest));
    if (scheme == "swift") return status_of(parse_swift_location(rest));
    if (scheme == "rados") return status_of(parse_rados_location(rest, environment));
    return no_such_storage(scheme);
}

Result<std::unique_ptr<Storage>> open_storage(const std::string& url,
                                              OpenMode mode,
                                              const StorageOptions& options) {
    HF_TRY(auto storage, open_scheme(url, mode, options));
    const BandwidthLimits& limits = options.limits;
    if (limits.upload_bytes_per_second == 0 && limits.download_bytes_per_second == 0) return storage;
    return std::unique_ptr<Storage>(
        std::make_unique<ThrottledStorage>(std::move(storage), limits, options.stop, system_clock()));
}

}  // namespace holdfast
