// Where a repository is in an OpenStack Swift account.
#pragma once

#include <string>

#include "base/result.h"

namespace holdfast {

struct SwiftLocation {
    std::string container;
    std::string prefix;  // of keys; without '/' at its ends

    // swift:CONTAINER/KEY, for messages. The account is the credentials'.
    std::string url_of(const std::string& key) const { return "swift:" + container + (key.empty() ? "" : '/' + key); }
    std::string description() const { return url_of(prefix); }
};

// CONTAINER[/PREFIX], or CONTAINER:/PREFIX. Errors: invalid_argument.
Result<SwiftLocation> parse_swift_location(std::string_view text);

}  // namespace holdfast
