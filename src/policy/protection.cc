#include "policy/protection.h"

#include <algorithm>
#include <functional>
#include <set>

#include "base/lower_case.h"

namespace holdfast {
namespace {

// Without an RPO a copy may lag so much behind the newest restore point: one that is made every night and one that is
// copied every night.
constexpr TimeNs usual_lag = TimeNs{24} * 3600 * ns_per_second;

using FactsByName = std::map<std::string, RepositoryFacts>;

bool is_of(const PointFacts& point, const ProtectedSource& source) {
    return point.host == source.host && point.name == source.identity_name;
}

// The newest good point, and how many there are.
const PointFacts* newest_of(const RepositoryFacts& facts, const ProtectedSource& source, std::uint64_t& count) {
    const PointFacts* newest = nullptr;
    for (const PointFacts& point : facts.points) {
        if (!is_of(point, source) || !point.is_good) continue;
        ++count;
        if (newest == nullptr || point.time > newest->time) newest = &point;
    }
    return newest;
}

class Judge {
  public:
    Judge(const ProtectedSource& source, const FactsByName& facts, TimeNs now)
        : source_(source), facts_(facts), now_(now) {
        result_.name = source.name;
        result_.host = source.host;
        result_.identity_name = source.identity_name;
    }

    SourceProtection judge() {
        for (const CopyPlace& place : source_.places) look_at(place);
        decide_what_counts();
        const Objectives& wanted = source_.objectives;
        add_rpo();
        add_count("copies", wanted.copies, [&](bool maybe) { return copies(maybe); });
        add_count("media", wanted.media, [&](bool maybe) { return distinct(maybe, &CopyPlace::medium); });
        add_count("off_site", wanted.off_site, [&](bool maybe) { return off_site(maybe); });
        add_count("immutable", wanted.immutable, [&](bool maybe) { return immutable(maybe); });
        add_errors();
        add_verified();
        add_recovery_key();
        if (source_.site.empty()) explain("off_site", "the site of this machine is not named: site = \"...\"");
        result_.rule_321 = worse(worse(at_least("copies", 3), at_least("media", 2)), at_least("off_site", 1));
        result_.rule_32110 = worse(worse(result_.rule_321, at_least("immutable", 1)), no_errors());
        result_.verdict = Verdict::held;
        for (const ObjectiveStatus& one : result_.objectives)
            if (one.is_wanted) result_.verdict = worse(result_.verdict, one.verdict);
        return std::move(result_);
    }

  private:
    void look_at(const CopyPlace& place) {
        CopyStatus copy;
        copy.place = place;
        const auto found = facts_.find(place.repository);
        if (found == facts_.end()) {
            copy.error = "it was never measured";
            result_.copies.push_back(std::move(copy));
            return;
        }
        const RepositoryFacts& facts = found->second;
        copy.place.is_replica = place.is_replica || facts.is_replica;
        copy.is_known = facts.is_known();
        copy.error = facts.error;
        copy.measured = facts.measured;
        copy.check = facts.check;
        copy.lost_containers = facts.lost_containers;
        copy.verified = facts.check.all_read_since();
        if (const PointFacts* newest = newest_of(facts, source_, copy.points)) {
            copy.point = newest->id;
            copy.time = newest->time;
            // What an unreachable repository had is still worth to be told, but no proof.
            const bool never_counts = place.is_on_source_device || copy.place.is_replica || facts.lost_containers != 0;
            if (copy.is_known) take_newest(*newest, never_counts);
            const auto lock = facts.locked_until.find({source_.host, source_.identity_name});
            if (lock != facts.locked_until.end() && lock->second > now_) copy.locked_until = lock->second;
            copy.is_governance = facts.is_governance;
        }
        result_.copies.push_back(std::move(copy));
    }

    // What is where no copy counts is told when there is nothing else.
    void take_newest(const PointFacts& point, bool never_counts) {
        if (never_counts && !result_.point.empty() && !newest_never_counts_) return;
        const bool is_better = result_.point.empty() || (newest_never_counts_ && !never_counts);
        if (!is_better && point.time <= result_.time) return;
        newest_never_counts_ = never_counts;
        result_.point = point.id;
        result_.time = point.time;
        result_.skipped = point.skipped;
    }

    TimeNs oldest_that_counts() const {
        const Objectives& wanted = source_.objectives;
        const TimeNs within = wanted.copies_within != 0 ? wanted.copies_within : wanted.rpo;
        if (within != 0) return now_ - within;
        // Also what an absent one is known to have had makes the others' old.
        TimeNs newest = 0;
        for (const CopyStatus& copy : result_.copies) newest = std::max(newest, copy.time);
        return newest - usual_lag;
    }

    // Those that can be asked first, and of these the locked ones: what one of two on a device is worth does not depend on
    // their order.
    void decide_what_counts() {
        std::vector<CopyStatus*> order;
        for (CopyStatus& copy : result_.copies) order.push_back(&copy);
        std::stable_sort(order.begin(), order.end(), [](const CopyStatus* a, const CopyStatus* b) {
            const auto worth = [](const CopyStatus* copy) { return (copy->is_known ? 2 : 0) + (copy->locked_until ? 1 : 0); };
            return worth(a) > worth(b);
        });
        for (CopyStatus* copy : order) decide(*copy);
    }

    void decide(CopyStatus& copy) {
        const auto known = facts_.find(copy.place.repository);
        const std::string id = known == facts_.end() ? "" : known->second.id;
        const std::vector<std::string>& devices = copy.place.devices;
        const auto is_taken = [&](const std::string& device) { return devices_.contains(device); };
        if (copy.place.is_replica) copy.why_not = "it is in a replica, which follows another bucket into every error";
        else if (copy.place.is_on_source_device) copy.why_not = "it is on the source's own device";
        else if (!id.empty() && repositories_.contains(id)) copy.why_not = "it is the same repository as another one";
        else if (std::any_of(devices.begin(), devices.end(), is_taken)) copy.why_not = "it is on the same device as another copy";
        else if (!copy.is_known) copy.may_count = true;
        else if (known->second.lost_containers != 0)
            copy.why_not = std::to_string(known->second.lost_containers) + " of its packs are not there";
        else if (copy.point.empty()) copy.why_not = "it has no good restore point of the source";
        else if (copy.time < oldest_that_counts()) copy.why_not = "its newest restore point is too old";
        else copy.counts = true;
        if (copy.may_count) copy.why_not = "it cannot be asked: " + copy.error;
        if (!copy.counts && !copy.may_count) return;
        if (!id.empty()) repositories_.insert(id);
        devices_.insert(devices.begin(), devices.end());
    }

    static bool counts(const CopyStatus& copy, bool maybe) { return copy.counts || (maybe && copy.may_count); }

    unsigned count_if(bool maybe, const std::function<bool(const CopyStatus&)>& is_wanted) const {
        unsigned count = 0;
        for (const CopyStatus& copy : result_.copies)
            if (counts(copy, maybe) && is_wanted(copy)) ++count;
        return count;
    }

    unsigned copies(bool maybe) const {
        return count_if(maybe, [](const CopyStatus&) { return true; }) + (source_.objectives.counts_source ? 1 : 0);
    }
    unsigned distinct(bool maybe, std::string CopyPlace::*member) const {
        std::set<std::string> values;
        for (const CopyStatus& copy : result_.copies)
            if (counts(copy, maybe)) values.insert(copy.place.*member);
        return static_cast<unsigned>(values.size());
    }
    unsigned off_site(bool maybe) const {
        if (source_.site.empty()) return 0;
        return count_if(maybe, [&](const CopyStatus& copy) {
            return !copy.place.site.empty() && in_lower_case(copy.place.site) != in_lower_case(source_.site);
        });
    }
    unsigned immutable(bool maybe) const {
        return count_if(maybe, [](const CopyStatus& copy) {
            return !copy.is_known || (copy.locked_until.has_value() && !copy.is_governance);
        });
    }

    ObjectiveStatus& add(std::string name, bool is_wanted, Verdict verdict) {
        ObjectiveStatus one;
        one.name = std::move(name);
        one.is_wanted = is_wanted;
        one.verdict = verdict;
        return result_.objectives.emplace_back(std::move(one));
    }

    static Verdict compare(unsigned surely, unsigned perhaps, unsigned wanted) {
        if (surely >= wanted) return Verdict::held;
        return perhaps < wanted ? Verdict::broken : Verdict::unknown;
    }

    void add_count(const char* name, unsigned wanted, const std::function<unsigned(bool)>& count) {
        counts_[name] = {count(false), count(true)};
        const auto [surely, perhaps] = counts_[name];
        ObjectiveStatus& one = add(name, wanted != 0, compare(surely, perhaps, wanted));
        one.wanted = wanted;
        one.found = surely;
        if (one.verdict == Verdict::unknown) one.reason = "a repository cannot be asked";
    }

    void add_rpo() {
        const TimeNs rpo = source_.objectives.rpo;
        const bool has_point = !result_.point.empty() && !newest_never_counts_;
        const bool is_new_enough = has_point && (rpo == 0 || now_ - result_.time <= rpo);
        const bool may_be_newer = std::any_of(result_.copies.begin(), result_.copies.end(),
                                              [](const CopyStatus& copy) { return !copy.is_known; });
        ObjectiveStatus& one = add("rpo", rpo != 0 || !has_point,
                                   is_new_enough ? Verdict::held : may_be_newer ? Verdict::unknown : Verdict::broken);
        one.wanted = rpo;
        if (!result_.point.empty()) one.found = now_ - result_.time;
        if (one.verdict == Verdict::unknown) one.reason = "a repository cannot be asked";
        else if (result_.point.empty()) one.reason = "there is no good restore point";
        else if (!has_point) one.reason = "the only restore points are where no copy counts";
    }

    void add_errors() {
        std::uint64_t errors = 0;
        bool is_unknown = false, is_any_known = false, was_checked = true;
        for (const CopyStatus& copy : result_.copies) {
            errors += copy.check.problems + copy.check.unprotected + copy.lost_containers;
            is_unknown |= !copy.is_known;
            is_any_known |= copy.is_known;
            was_checked &= copy.check.checked.has_value();
        }
        // Of a copy beside enough others nothing need be known.
        const bool is_nothing_known = is_unknown && !is_any_known;
        ObjectiveStatus& one =
            add("errors", true, errors != 0 ? Verdict::broken : is_nothing_known ? Verdict::unknown : Verdict::held);
        one.found = static_cast<std::int64_t>(std::min<std::uint64_t>(errors, INT64_MAX));
        // Without a check nobody knows: that is a matter of `verified`, and of the rule with its 0 errors.
        if (errors == 0 && (is_unknown || !was_checked))
            one.reason = is_unknown ? "a repository cannot be asked" : "not all repositories were ever checked";
    }

    void add_verified() {
        const TimeNs within = source_.objectives.verified_within;
        Verdict verdict = Verdict::held;
        TimeNs oldest = now_;
        std::string reason;
        for (const CopyStatus& copy : result_.copies) {
            if (!copy.counts) continue;
            if (!copy.verified) reason = copy.place.repository + ": not all data was ever read by a check";
            else oldest = std::min(oldest, *copy.verified);
            if (within != 0 && (!copy.verified || now_ - *copy.verified > within)) verdict = Verdict::broken;
        }
        const auto is_any = [](const CopyStatus&) { return true; };
        if (within != 0 && count_if(false, is_any) == 0) verdict = count_if(true, is_any) == 0 ? Verdict::broken : Verdict::unknown;
        ObjectiveStatus& one = add("verified", within != 0, verdict);
        one.wanted = within;
        one.found = now_ - oldest;
        one.reason = std::move(reason);
    }

    void add_recovery_key() {
        ObjectiveStatus& one = add("recovery_key", true, Verdict::held);
        one.found = 0;
        for (const CopyStatus& copy : result_.copies) {
            ++one.wanted;
            const auto found = facts_.find(copy.place.repository);
            if (found == facts_.end() || !found->second.measured) {
                if (one.verdict == Verdict::held) one.reason = copy.place.repository + ": it cannot be asked";
                one.verdict = worse(one.verdict, Verdict::unknown);
                continue;
            }
            // Of one that cannot be asked now the last answer is good enough: who has had the key has it.
            if (found->second.recovery_key == RecoveryKey::confirmed) {
                one.found = *one.found + 1;
                continue;
            }
            if (one.verdict != Verdict::broken)
                one.reason = copy.place.repository + (found->second.recovery_key == RecoveryKey::none
                                                          ? ": there is no recovery key"
                                                          : ": nobody has confirmed the recovery key");
            one.verdict = Verdict::broken;
        }
    }

    void explain(std::string_view name, const char* reason) {
        for (ObjectiveStatus& one : result_.objectives)
            if (one.name == name && one.verdict != Verdict::held) one.reason = reason;
    }

    Verdict at_least(const char* name, unsigned wanted) const {
        const auto [surely, perhaps] = counts_.at(name);
        return compare(surely, perhaps, wanted);
    }
    Verdict no_errors() const {
        const ObjectiveStatus& errors = *result_.objective("errors");
        if (errors.verdict != Verdict::held) return errors.verdict;
        return errors.reason.empty() ? Verdict::held : Verdict::unknown;
    }

    const ProtectedSource& source_;
    const FactsByName& facts_;
    const TimeNs now_;
    SourceProtection result_;
    std::set<std::string> repositories_, devices_;  // of what counts, or may
    bool newest_never_counts_ = false;              // result_.point is where no copy counts
    std::map<std::string, std::pair<unsigned, unsigned>> counts_;  // surely, perhaps
};

}  // namespace

std::string_view verdict_name(Verdict verdict) {
    switch (verdict) {
        case Verdict::held: return "held";
        case Verdict::broken: return "broken";
        case Verdict::unknown: return "unknown";
    }
    return "";
}

Verdict worse(Verdict a, Verdict b) {
    if (a == Verdict::broken || b == Verdict::broken) return Verdict::broken;
    return a == Verdict::unknown || b == Verdict::unknown ? Verdict::unknown : Verdict::held;
}

const ObjectiveStatus* SourceProtection::objective(std::string_view objective_name) const {
    for (const ObjectiveStatus& one : objectives)
        if (one.name == objective_name) return &one;
    return nullptr;
}

SourceProtection protection_of(const ProtectedSource& source,
                               const std::map<std::string, RepositoryFacts>& facts,
                               TimeNs now) {
    return Judge(source, facts, now).judge();
}

}  // namespace holdfast
