// Input: a time as text; and its first eight bytes as a time.
#include "base/clock.h"
#include "targets.h"

namespace holdfast {

void fuzz_time(ByteSpan input) {
    const auto parsed = parse_rfc3339(as_text(input));
    if (parsed.ok()) {
        const std::string text = format_rfc3339(*parsed);
        HF_CHECK(parse_rfc3339(text).value() == *parsed);
        // A date alone is the day that it says: no 31st of February.
        HF_CHECK(input.size() != 10 || text.starts_with(as_text(input)));
    }
    // Whole years that fit in 64 bits of nanoseconds: 1678 to 2261.
    constexpr std::int64_t first = -9'214'560'000, last = 9'214'646'399;
    ByteReader in(input);
    const auto time = static_cast<TimeNs>(in.u64());
    const std::string text = format_rfc3339(time);
    if (in.ok() && time >= first * ns_per_second && time <= last * ns_per_second)
        HF_CHECK(parse_rfc3339(text).value() == time);
}

}  // namespace holdfast
