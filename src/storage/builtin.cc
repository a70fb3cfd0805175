// The explicit list of storage schemes.
#include "storage/local/local_storage.h"
#include "storage/storage.h"

namespace holdfast {

Result<std::unique_ptr<Storage>> open_storage(const std::string& url, OpenMode mode) {
    constexpr std::string_view local_scheme = "local:";
    if (url.starts_with(local_scheme))
        return LocalStorage::open(url.substr(local_scheme.size()), mode);
    const std::size_t colon = url.find(':');
    const std::size_t slash = url.find('/');
    if (colon != std::string::npos && colon > 1 && (slash == std::string::npos || colon < slash))
        return Error(ErrorCode::invalid_argument,
                     "no storage of this kind: '" + url.substr(0, colon) +
                         ":' (a path, or local:PATH)");
    return LocalStorage::open(url, mode);
}

}  // namespace holdfast
