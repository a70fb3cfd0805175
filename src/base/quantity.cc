#include "base/quantity.h"

#include <charconv>
#include <limits>
#include <span>
#include <string>

namespace holdfast {
namespace {

struct Unit {
    std::string_view name;
    std::uint64_t factor;
};
constexpr Unit byte_units[] = {{"", 1}, {"K", 1u << 10}, {"M", 1u << 20}, {"G", 1u << 30}, {"T", std::uint64_t{1} << 40}};
constexpr Unit time_units[] = {{"s", ns_per_second},
                               {"m", 60 * ns_per_second},
                               {"h", 3600 * ns_per_second},
                               {"d", 86'400 * ns_per_second},
                               {"w", 7 * 86'400 * ns_per_second}};

Result<std::uint64_t> parse(std::string_view text, std::span<const Unit> units, const char* what) {
    std::uint64_t count = 0;
    const char* const end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, count);
    const std::string_view name(rest, static_cast<std::size_t>(end - rest));
    for (const Unit& unit : units) {
        const auto limit = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()) / unit.factor;
        if (error == std::errc() && name == unit.name && count > 0 && count <= limit) return count * unit.factor;
    }
    return Error(ErrorCode::invalid_argument, "'" + std::string(text) + "': " + what);
}

}  // namespace

Result<std::uint64_t> parse_byte_count(std::string_view text) {
    return parse(text, byte_units, "a number of bytes is 1000, 20K, 20M, 20G or 20T");
}

Result<TimeNs> parse_duration(std::string_view text) {
    HF_TRY(const std::uint64_t time, parse(text, time_units, "a time is 20s, 20m, 20h, 20d or 20w"));
    return static_cast<TimeNs>(time);
}

}  // namespace holdfast
