// Amounts as people write them.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace holdfast {

// "20G": K, M, G and T are powers of 1,024; without a letter it is bytes. More than 0. Errors: invalid_argument.
Result<std::uint64_t> parse_byte_count(std::string_view text);
// "90m": s, m, h, d or w. More than 0. Errors: invalid_argument.
Result<TimeNs> parse_duration(std::string_view text);

}  // namespace holdfast
