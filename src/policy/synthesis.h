// When a forever-incremental source gets a synthetic full.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"

namespace holdfast {

struct SynthesisRule {
    bool is_wanted = false;
    TimeNs after = 0;            // how old the newest full may become; 0: any age
    unsigned after_backups = 0;  // how many restore points may follow it; 0: any number
    unsigned at_fragmentation = 0;  // what the newest point's may be, in percent of a full's; 0: any
};

struct SynthesisPoint {
    TimeNs time = 0;
    bool is_full = false;  // full or synthetic full
};

// Why a synthetic full is to be made of the newest of one source's points; empty: none is. `last_full` is the time of
// the last full that is remembered: retention may have removed it. Where nobody knows of any, one is made. Pure.
std::string synthesis_reason(const std::vector<SynthesisPoint>& points,
                             const std::optional<TimeNs>& last_full,
                             const SynthesisRule& rule,
                             TimeNs now);

// Whether it is worth to find out how fragmented the newest point is: the rule asks, and a point follows the newest full.
bool asks_fragmentation(const std::vector<SynthesisPoint>& points,
                        const std::optional<TimeNs>& last_full,
                        const SynthesisRule& rule);
// The reason when it is `percent`; empty: none.
std::string fragmentation_reason(unsigned percent, const SynthesisRule& rule);

}  // namespace holdfast
