// The date of an HTTP header. RFC 9110, 5.6.7.
#pragma once

#include <optional>
#include <string>

#include "base/clock.h"

namespace holdfast {

std::optional<TimeNs> parse_http_date(const std::string& text);

}  // namespace holdfast
