// A fake of a cold tier, in memory: what a test freezes is frozen, and can be read some looks after it was asked for.
#pragma once

#include <map>
#include <set>
#include <vector>

#include "storage/cold_tier.h"

namespace holdfast {

class MemoryColdTier final : public ColdTier {
  public:
    // What was asked for can be read at the look of this number after it was asked for.
    explicit MemoryColdTier(const Clock& clock, int looks = 1) : clock_(clock), looks_(looks) {}

    bool may_be_frozen() const override { return true; }
    TimeNs now() const override { return clock_.now(); }
    Status look(std::span<const std::string> names, const Visit& visit) override {
        ++look_count;
        for (const std::string& name : names) {
            if (missing.contains(name)) continue;
            const auto found = left_.find(name);
            if (found == left_.end()) {
                visit(name, {});
                continue;
            }
            if (found->second > 0 && --found->second == 0) until_[name] = now() + keeps;
            visit(name, state_of(name));
        }
        return {};
    }
    Status thaw(std::span<const std::string> names, const ThawRequest&) override {
        for (const std::string& name : names) {
            asked.push_back(name);
            left_[name] = looks_;
        }
        return {};
    }

    void freeze(const std::string& name) { left_[name] = -1; }
    // As a storage answers it.
    Status read(const std::string& name) const {
        if (!left_.contains(name) || state_of(name).state == Readability::State::readable) return {};
        return Error(ErrorCode::frozen, name);
    }

    std::vector<std::string> asked;
    std::set<std::string> missing;
    TimeNs keeps = 3600 * ns_per_second;
    int look_count = 0;

  private:
    Readability state_of(const std::string& name) const {
        const int left = left_.at(name);
        if (left > 0) return {Readability::State::thawing};
        const auto until = until_.find(name);
        if (left < 0 || until->second <= now()) return {Readability::State::frozen};
        return {Readability::State::readable, until->second};
    }

    const Clock& clock_;
    const int looks_;
    std::map<std::string, int> left_;  // looks, of what is thawing; 0: it can be read; -1: nobody has asked
    std::map<std::string, TimeNs> until_;
};

}  // namespace holdfast
