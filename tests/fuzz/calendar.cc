// Input: the text of a calendar. What it takes has times that follow each other.
#include "policy/calendar.h"

#include "targets.h"

namespace holdfast {

void fuzz_calendar(ByteSpan input) {
    const auto calendar = parse_calendar(as_text(input));
    if (!calendar.ok()) return;
    // The clocks of this zone change every 20,000,000 seconds.
    const auto zone = [](TimeNs time) -> std::int64_t { return time / ns_per_second / 20'000'000 % 2 == 0 ? 3600 : 7200; };
    TimeNs time = 1'800'000'000 * ns_per_second;
    for (int i = 0; i < 3; ++i) {
        const auto next = next_time(*calendar, time, zone);
        if (!next) break;
        HF_CHECK(*next > time);
        time = *next;
    }
    const auto fields = crontab_fields(*calendar);
    if (fields.ok()) HF_CHECK(!fields->empty());
}

}  // namespace holdfast
