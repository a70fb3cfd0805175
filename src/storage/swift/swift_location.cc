#include "storage/swift/swift_location.h"

#include "http/url.h"

namespace holdfast {

Result<SwiftLocation> parse_swift_location(std::string_view text) {
    // What a service takes.
    constexpr std::size_t max_container_bytes = 256;
    SwiftLocation location;
    location.container = text.substr(0, text.find_first_of(":/"));
    std::string_view rest = text.substr(location.container.size());
    if (rest.starts_with(':')) rest.remove_prefix(1);
    const bool is_path = rest.empty() || rest.starts_with('/');
    if (location.container.empty() || location.container.size() > max_container_bytes || !is_path)
        return Error(ErrorCode::invalid_argument,
                     "not swift:CONTAINER/PREFIX: 'swift:" + without_password(text) + "'");
    while (rest.starts_with('/')) rest.remove_prefix(1);
    while (rest.ends_with('/')) rest.remove_suffix(1);
    location.prefix = rest;
    return location;
}

}  // namespace holdfast
