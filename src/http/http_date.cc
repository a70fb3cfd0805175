#include "http/http_date.h"

#include <curl/curl.h>

namespace holdfast {

std::optional<TimeNs> parse_http_date(const std::string& text) {
    const time_t seconds = curl_getdate(text.c_str(), nullptr);
    constexpr time_t year_9999 = 253'402'300'799;
    if (seconds < 0 || seconds >= year_9999) return std::nullopt;
    // 64 bits of nanoseconds end in the year 2262.
    if (seconds > INT64_MAX / ns_per_second) return std::nullopt;
    return static_cast<TimeNs>(seconds) * ns_per_second;
}

}  // namespace holdfast
