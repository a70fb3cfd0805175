#include "policy/protection.h"

#include <gtest/gtest.h>

#include <rapidcheck/gtest.h>

namespace holdfast {
namespace {

constexpr TimeNs hour = TimeNs{3600} * ns_per_second, day = 24 * hour;
constexpr TimeNs now = 1000 * day;

// Three copies on two media, one off site, one locked; all checked, and the recovery keys confirmed.
class Protection : public testing::Test {
  protected:
    void SetUp() override {
        source.name = "home";
        source.host = "web1";
        source.identity_name = "/home";
        source.site = "paris";
        source.objectives.rpo = 26 * hour;
        add("disk", "paris", "disk", "disk 8:0");
        add("nas", "paris", "disk", "server nas");
        add("bucket", "lyon", "object", "bucket s3/b");
        facts["bucket"].locked_until[{"web1", "/home"}] = now + day;
    }

    void add(const std::string& name, const std::string& site, const std::string& medium, const std::string& device) {
        CopyPlace place;
        place.repository = name;
        place.site = site;
        place.medium = medium;
        place.devices = {device};
        source.places.push_back(place);
        RepositoryFacts one;
        one.name = name;
        one.id = "id of " + name;
        one.measured = now;
        one.recovery_key = RecoveryKey::confirmed;
        one.check.checked = one.check.read_data = now - hour;
        one.check.oldest_read = now - 5 * day;
        one.points = {point(name, now - hour), point(name, now - 25 * hour)};
        facts[name] = one;
    }
    static PointFacts point(const std::string& repository, TimeNs time) {
        PointFacts one;
        one.id = repository + std::to_string(time);
        one.host = "web1";
        one.name = "/home";
        one.time = time;
        return one;
    }

    SourceProtection judge() const { return protection_of(source, facts, now); }
    Verdict verdict_of(const char* objective) const { return judge().objective(objective)->verdict; }
    std::int64_t found(const char* objective) const { return judge().objective(objective)->found.value_or(-1); }
    const std::string why_not(std::size_t copy) const { return judge().copies[copy].why_not; }

    ProtectedSource source;
    std::map<std::string, RepositoryFacts> facts;
};

TEST_F(Protection, AllIsHeld) {
    const SourceProtection one = judge();
    EXPECT_EQ(one.verdict, Verdict::held);
    EXPECT_EQ(one.rule_321, Verdict::held);
    EXPECT_EQ(one.rule_32110, Verdict::held);
    EXPECT_EQ(one.time, now - hour);
    EXPECT_EQ(found("copies"), 3);
    EXPECT_EQ(found("media"), 2);
    EXPECT_EQ(found("off_site"), 1);
    EXPECT_EQ(found("immutable"), 1);
    EXPECT_EQ(one.copies[2].verified, now - 5 * day);
    EXPECT_EQ(one.copies[0].points, 2u);
}

TEST_F(Protection, ARepositoryOnTheSourcesDeviceNeverCounts) {
    source.places[0].is_on_source_device = true;
    EXPECT_EQ(judge().rule_321, Verdict::broken);
    EXPECT_EQ(found("copies"), 2);
    EXPECT_EQ(why_not(0), "it is on the source's own device");
    // Nor when nobody can ask it.
    facts["disk"].error = "away";
    EXPECT_EQ(judge().rule_321, Verdict::broken);
}

TEST_F(Protection, TwoOnOneDeviceAreOneCopyWhicheverIsGood) {
    source.places[1].devices = {"server nas", "disk 8:0"};
    EXPECT_EQ(found("copies"), 2);
    EXPECT_EQ(why_not(1), "it is on the same device as another copy");
    facts["disk"].points.clear();
    EXPECT_EQ(found("copies"), 2);
    EXPECT_TRUE(why_not(1).empty());
    facts["disk"].points = facts["nas"].points;
    facts["disk"].error = "away";
    EXPECT_EQ(found("copies"), 2);
    EXPECT_TRUE(why_not(1).empty());
}

TEST_F(Protection, OneRepositoryUnderTwoNamesIsOneCopy) {
    facts["nas"].id = facts["disk"].id;
    EXPECT_EQ(verdict_of("copies"), Verdict::broken);
}

TEST_F(Protection, UnreachableIsUnknownNeverHeld) {
    facts["bucket"].error = "no route";
    EXPECT_EQ(judge().rule_321, Verdict::unknown);
    EXPECT_EQ(judge().verdict, Verdict::unknown);
    EXPECT_EQ(verdict_of("off_site"), Verdict::unknown);
    EXPECT_EQ(found("off_site"), 0);
    EXPECT_EQ(judge().copies[2].point, point("bucket", now - hour).id) << "what it had is told";
    // The others have a new point all the same.
    EXPECT_EQ(verdict_of("rpo"), Verdict::held);
    facts.erase("bucket");
    EXPECT_EQ(verdict_of("copies"), Verdict::unknown);
    EXPECT_EQ(verdict_of("recovery_key"), Verdict::unknown);
}

TEST_F(Protection, WhatIsEnoughWithoutTheUnreachableIsHeld) {
    add("second", "nice", "object", "bucket s3/c");
    facts["second"].error = "no route";
    EXPECT_EQ(judge().rule_321, Verdict::held);
    EXPECT_EQ(judge().verdict, Verdict::held);
    // And what would not be enough with it is broken.
    source.objectives.copies = 5;
    EXPECT_EQ(judge().verdict, Verdict::broken);
}

TEST_F(Protection, AnOldCopyDoesNotCount) {
    facts["bucket"].points = {point("bucket", now - 27 * hour)};
    EXPECT_EQ(verdict_of("off_site"), Verdict::broken);
    EXPECT_EQ(why_not(2), "its newest restore point is too old");
    source.objectives.copies_within = 2 * day;
    EXPECT_EQ(verdict_of("off_site"), Verdict::held);
    // Without an RPO: a day behind the newest, however old that is.
    source.objectives = {};
    source.objectives.rpo = 0;
    for (const char* name : {"disk", "nas"}) facts[name].points = {point(name, now - 50 * day)};
    facts["bucket"].points = {point("bucket", now - 51 * day)};
    EXPECT_EQ(judge().rule_321, Verdict::held);
    facts["bucket"].points = {point("bucket", now - 51 * day - 1)};
    EXPECT_EQ(judge().rule_321, Verdict::broken);
}

TEST_F(Protection, TheRpoGoesByTheNewestGoodPoint) {
    for (auto& [name, one] : facts) one.points[0].is_good = false;
    EXPECT_EQ(judge().time, now - 25 * hour);
    EXPECT_EQ(verdict_of("rpo"), Verdict::held);
    source.objectives.rpo = 24 * hour;
    EXPECT_EQ(verdict_of("rpo"), Verdict::broken);
    facts["bucket"].error = "no route";
    EXPECT_EQ(verdict_of("rpo"), Verdict::unknown);
}

TEST_F(Protection, PointsOfOthersAreNoCopies) {
    for (PointFacts& one : facts["bucket"].points) one.host = "web2";
    EXPECT_EQ(why_not(2), "it has no good restore point of the source");
    source.objectives.rpo = 0;
    for (auto& [name, one] : facts) one.points.clear();
    EXPECT_EQ(judge().verdict, Verdict::broken) << "nothing was ever backed up";
    EXPECT_EQ(judge().objective("rpo")->reason, "there is no good restore point");
}

TEST_F(Protection, WithoutNamedSitesNothingIsOffSite) {
    source.site = "";
    EXPECT_EQ(verdict_of("off_site"), Verdict::broken);
    EXPECT_NE(judge().objective("off_site")->reason, "");
    source.site = "paris";
    source.places[2].site = "";
    EXPECT_EQ(verdict_of("off_site"), Verdict::broken);
}

TEST_F(Protection, RedUntilEveryRecoveryKeyIsConfirmed) {
    facts["nas"].recovery_key = RecoveryKey::unconfirmed;
    EXPECT_EQ(judge().verdict, Verdict::broken);
    EXPECT_EQ(judge().rule_321, Verdict::held);
    facts["nas"].recovery_key = RecoveryKey::none;
    EXPECT_EQ(verdict_of("recovery_key"), Verdict::broken);
    facts["nas"].recovery_key = RecoveryKey::confirmed;
    facts["nas"].error = "away";
    EXPECT_EQ(verdict_of("recovery_key"), Verdict::held) << "who has had it has it";
}

TEST_F(Protection, ErrorsAndWhatWasNeverCheckedBreakTheRuleOfFive) {
    facts["nas"].check.checked.reset();
    EXPECT_EQ(judge().rule_32110, Verdict::unknown);
    EXPECT_EQ(judge().verdict, Verdict::held) << "nobody has asked for that";
    facts["nas"].check.problems = 1;
    EXPECT_EQ(judge().rule_32110, Verdict::broken);
    EXPECT_EQ(judge().verdict, Verdict::broken);
    EXPECT_EQ(judge().rule_321, Verdict::held);
}

TEST_F(Protection, VerificationHasAnAge) {
    source.objectives.verified_within = 6 * day;
    EXPECT_EQ(verdict_of("verified"), Verdict::held);
    source.objectives.verified_within = 4 * day;
    EXPECT_EQ(judge().verdict, Verdict::broken);
    source.objectives.verified_within = 6 * day;
    facts["disk"].check.never_read_bytes = 1;
    EXPECT_EQ(judge().verdict, Verdict::broken);
}

TEST_F(Protection, ALockThatIsOverIsNone) {
    facts["bucket"].locked_until[{"web1", "/home"}] = now;
    EXPECT_EQ(judge().rule_32110, Verdict::broken);
    EXPECT_EQ(judge().verdict, Verdict::held);
    source.objectives.immutable = 1;
    EXPECT_EQ(judge().verdict, Verdict::broken);
    facts["bucket"].error = "away";
    EXPECT_EQ(verdict_of("immutable"), Verdict::unknown);
}

TEST_F(Protection, WhatIsLostWithTheSourceHoldsNoRpo) {
    source.places[0].is_on_source_device = true;
    for (const char* name : {"nas", "bucket"}) facts[name].points = {point(name, now - 30 * hour)};
    source.objectives.copies_within = 2 * day;
    EXPECT_EQ(judge().time, now - 30 * hour);
    EXPECT_EQ(verdict_of("rpo"), Verdict::broken);
    for (const char* name : {"nas", "bucket"}) facts[name].points.clear();
    EXPECT_EQ(judge().time, now - hour) << "it is told when there is nothing else";
    EXPECT_EQ(verdict_of("rpo"), Verdict::broken);
}

TEST_F(Protection, AReplicaNeverCounts) {
    source.places[2].is_replica = true;
    EXPECT_EQ(judge().rule_321, Verdict::broken);
    EXPECT_NE(why_not(2).find("replica"), std::string::npos);
    facts["bucket"].error = "away";
    EXPECT_EQ(judge().rule_321, Verdict::broken);
}

// Whose replica it is only another machine may know.
TEST_F(Protection, AReplicaNeverCountsByWhatItsObjectsSay) {
    facts["bucket"].is_replica = true;
    EXPECT_EQ(judge().rule_321, Verdict::broken);
    EXPECT_NE(why_not(2).find("replica"), std::string::npos);
}

TEST_F(Protection, NoErrorsWhereNothingCanBeAskedIsUnknown) {
    EXPECT_EQ(verdict_of("errors"), Verdict::held);
    for (auto& [name, one] : facts) one.error = "away";
    EXPECT_EQ(verdict_of("errors"), Verdict::unknown);
}

TEST_F(Protection, ARepositoryThatLacksPacksIsNoCopy) {
    facts["nas"].lost_containers = 2;
    EXPECT_EQ(why_not(1), "2 of its packs are not there");
    EXPECT_EQ(verdict_of("copies"), Verdict::broken);
    EXPECT_EQ(verdict_of("errors"), Verdict::broken);
    for (auto& [name, one] : facts) one.lost_containers = 1;
    EXPECT_EQ(verdict_of("rpo"), Verdict::broken) << "what cannot be restored holds no RPO";
}

TEST_F(Protection, AGovernanceLockIsNotImmutable) {
    facts["bucket"].is_governance = true;
    EXPECT_EQ(judge().rule_32110, Verdict::broken);
    EXPECT_TRUE(judge().copies[2].locked_until.has_value());
}

TEST_F(Protection, OfTwoOnOneDeviceTheLockedOneCounts) {
    add("locked", "lyon", "object", "bucket s3/b");
    facts["locked"].locked_until[{"web1", "/home"}] = now + day;
    facts["bucket"].locked_until.clear();
    EXPECT_EQ(found("immutable"), 1);
    EXPECT_EQ(found("copies"), 3);
}

TEST_F(Protection, AnAbsentRepositorysNewerPointMakesOthersOld) {
    source.objectives.rpo = 0;
    facts["disk"].points = {point("disk", now - hour)};
    facts["disk"].error = "away";
    for (const char* name : {"nas", "bucket"}) facts[name].points = {point(name, now - 58 * day)};
    EXPECT_EQ(why_not(1), "its newest restore point is too old");
    EXPECT_EQ(judge().verdict, Verdict::broken);
}

TEST_F(Protection, SitesAreComparedAsPeopleReadThem) {
    source.places[2].site = "PARIS";
    EXPECT_EQ(verdict_of("off_site"), Verdict::broken);
}

TEST_F(Protection, WithoutACopyNothingIsVerified) {
    source.objectives.counts_source = true;
    source.objectives.verified_within = 6 * day;
    for (auto& [name, one] : facts) one.points.clear();
    EXPECT_EQ(verdict_of("verified"), Verdict::broken);
}

TEST_F(Protection, TheSourceMayCount) {
    facts["nas"].points.clear();
    EXPECT_EQ(judge().verdict, Verdict::broken);
    source.objectives.counts_source = true;
    EXPECT_EQ(judge().verdict, Verdict::held);
}

// Whatever an unreachable repository really has: what was held without it is held with it, and so for what is broken.
RC_GTEST_PROP(ProtectionProperty, UnknownIsWhatBothMayBe, ()) {
    ProtectedSource source;
    source.host = "h";
    source.identity_name = "n";
    source.site = "a";
    // An RPO of 0 would go by the newest point, which may be hidden.
    source.objectives.rpo = *rc::gen::inRange<TimeNs>(1, 6) * hour;
    std::map<std::string, RepositoryFacts> facts, hidden;
    const int count = *rc::gen::inRange(1, 6);
    for (int i = 0; i < count; ++i) {
        CopyPlace place;
        place.repository = std::to_string(i);
        place.medium = *rc::gen::element<std::string>("disk", "object", "tape");
        place.devices = {*rc::gen::element<std::string>("xa", "yb", "za", "ub", "v")};
        place.site = place.devices.front().substr(1);  // one device is at one site
        place.is_on_source_device = *rc::gen::inRange(0, 5) == 0;
        source.places.push_back(place);
        RepositoryFacts one;
        one.id = place.repository;
        one.measured = now;
        one.recovery_key = RecoveryKey::confirmed;
        if (*rc::gen::inRange(0, 4) != 0) {
            PointFacts point;
            point.id = "p" + place.repository;
            point.host = "h";
            point.name = "n";
            point.time = now - *rc::gen::inRange<TimeNs>(0, 8) * hour;
            one.points.push_back(point);
        }
        facts[place.repository] = one;
        if (*rc::gen::inRange(0, 3) == 0) one.error = "away";
        hidden[place.repository] = one;
    }
    const SourceProtection whole = protection_of(source, facts, now), part = protection_of(source, hidden, now);
    for (const char* name : {"rpo", "copies", "off_site"}) {
        const Verdict known = part.objective(name)->verdict;
        if (known != Verdict::unknown) RC_ASSERT(whole.objective(name)->verdict == known);
    }
}

}  // namespace
}  // namespace holdfast
