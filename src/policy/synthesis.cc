#include "policy/synthesis.h"

#include <algorithm>

namespace holdfast {

namespace {

std::optional<TimeNs> newest_full(const std::vector<SynthesisPoint>& points, const std::optional<TimeNs>& last_full) {
    std::optional<TimeNs> full = last_full;
    for (const SynthesisPoint& point : points)
        if (point.is_full && (!full || point.time > *full)) full = point.time;
    return full;
}

std::uint64_t later_than(TimeNs full, const std::vector<SynthesisPoint>& points) {
    return static_cast<std::uint64_t>(
        std::count_if(points.begin(), points.end(), [=](const SynthesisPoint& point) { return point.time > full; }));
}

}  // namespace

std::string synthesis_reason(const std::vector<SynthesisPoint>& points,
                             const std::optional<TimeNs>& last_full,
                             const SynthesisRule& rule,
                             TimeNs now) {
    if (!rule.is_wanted || points.empty()) return {};
    const std::optional<TimeNs> full = newest_full(points, last_full);
    if (!full) return "there is no full";
    const std::uint64_t later = later_than(*full, points);
    // A full is the best that there can be of the newest moment.
    if (later == 0) return {};
    if (rule.after_backups != 0 && later >= rule.after_backups)
        return std::to_string(later) + " restore points follow the newest full";
    if (rule.after != 0 && *full <= now && now - *full >= rule.after)
        return "the newest full is " + std::to_string((now - *full) / (86'400 * ns_per_second)) + " days old";
    return {};
}

bool asks_fragmentation(const std::vector<SynthesisPoint>& points,
                        const std::optional<TimeNs>& last_full,
                        const SynthesisRule& rule) {
    const std::optional<TimeNs> full = newest_full(points, last_full);
    return rule.is_wanted && rule.at_fragmentation != 0 && full && later_than(*full, points) != 0;
}

std::string fragmentation_reason(unsigned percent, const SynthesisRule& rule) {
    if (rule.at_fragmentation == 0 || percent < rule.at_fragmentation) return {};
    return "reading the newest restore point costs " + std::to_string(percent) + " % of what a full does";
}

}  // namespace holdfast
