#include "policy/synthesis.h"

#include <algorithm>

namespace holdfast {

std::string synthesis_reason(const std::vector<SynthesisPoint>& points,
                             const std::optional<TimeNs>& last_full,
                             const SynthesisRule& rule,
                             TimeNs now) {
    if (!rule.is_wanted || points.empty()) return {};
    std::optional<TimeNs> full = last_full;
    for (const SynthesisPoint& point : points)
        if (point.is_full && (!full || point.time > *full)) full = point.time;
    if (!full) return "there is no full";
    const TimeNs full_time = *full;
    const auto later = static_cast<std::uint64_t>(
        std::count_if(points.begin(), points.end(), [=](const SynthesisPoint& point) { return point.time > full_time; }));
    // A full is the best that there can be of the newest moment.
    if (later == 0) return {};
    if (rule.after_backups != 0 && later >= rule.after_backups)
        return std::to_string(later) + " restore points follow the newest full";
    if (rule.after != 0 && full_time <= now && now - full_time >= rule.after)
        return "the newest full is " + std::to_string((now - full_time) / (86'400 * ns_per_second)) + " days old";
    return {};
}

}  // namespace holdfast
