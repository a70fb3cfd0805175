// The explicit list of storage schemes.
#include "storage/local/local_storage.h"
#include "storage/storage.h"

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

Result<std::unique_ptr<Storage>> open_storage(const std::string& url, OpenMode mode) {
    if (const auto directory = local_directory(url)) return LocalStorage::open(*directory, mode);
    return Error(ErrorCode::invalid_argument, "no storage of this kind: '" +
                                                  url.substr(0, url.find(':')) +
                                                  ":' (a path, or local:PATH)");
}

}  // namespace holdfast
