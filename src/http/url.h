// URLs of http and https, taken apart and put together. RFC 3986.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace holdfast {

using QueryParameters = std::vector<std::pair<std::string, std::string>>;

// Decoded, but for `authority`: host, and port if it is given.
struct Url {
    std::string scheme;  // http or https
    std::string authority;
    std::string path;  // begins with '/', or is empty
    QueryParameters query;
};

// Refuses a user or a password: what stands on a command line is seen by everybody. Errors: invalid_argument.
Result<Url> parse_url(std::string_view text);

// All but letters, digits and -._~ as %XX; with `keep_slash`, but for '/' too.
enum class Slash : std::uint8_t { encode, keep };
std::string percent_encode(std::string_view text, Slash slash);
// Errors: invalid_argument.
Result<std::string> percent_decode(std::string_view text);
// "a=1&b=2" sorted by what is encoded, as signatures want it.
std::string encode_query(const QueryParameters& query);
// "a=1&b&c=3". Errors: invalid_argument.
Result<QueryParameters> parse_query(std::string_view text);

// A text that was meant to be a location, for a message: what stands before an '@', or between a ':' and one, may be a secret,
// and so may values of a query.
std::string without_password(std::string_view text);

}  // namespace holdfast
