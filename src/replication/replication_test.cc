#include <fcntl.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <limits>
#include <mutex>

#include "base/file_io.h"
#include "replication/alignment.h"
#include "replication/replica_state.h"
#include "replication/replicator.h"
#include "support/temporary_directory.h"

namespace holdfast {
namespace {

SourceVersion object(const std::string& key, const std::string& id, TimeNs modified = 1, std::uint64_t bytes = 1) {
    return {key, id, "etag", bytes, modified, false};
}
SourceVersion marker(const std::string& key, const std::string& id, TimeNs modified = 1) {
    return {key, id, "", 0, modified, true};
}

TEST(SourceVersion, AVersionWithoutAnIdIsKnownByItsTime) {
    EXPECT_EQ(object("a", "v1").identity(), "v1");
    EXPECT_NE(object("a", "null", 1).identity(), object("a", "null", 2).identity());
}

TEST(Alignment, OfTables) {
    using Ids = std::vector<std::optional<std::string>>;
    const SourceVersion a = object("k", "a"), b = object("k", "b"), x = marker("k", "x"), y = marker("k", "y");
    const auto at_target = [](const std::string& id, const std::string& mark) { return TargetVersion{id, mark.empty(), mark}; };
    struct Case {
        const char* name;
        std::vector<SourceVersion> wanted;
        std::vector<TargetVersion> found;
        Ids ids;
    };
    const Case cases[] = {
        {"nothing is there", {a, x, b}, {}, {{}, {}, {}}},
        {"all is there", {a, x, b}, {at_target("1", "a"), at_target("2", ""), at_target("3", "b")}, {{"1"}, {"2"}, {"3"}}},
        {"the first ones are", {a, x, b}, {at_target("1", "a"), at_target("2", "")}, {{"1"}, {"2"}, {}}},
        {"of two marks one", {a, x, y}, {at_target("1", "a"), at_target("2", "")}, {{"1"}, {"2"}, {}}},
        {"a mark whose turn it is not", {a, b, x}, {at_target("1", "a"), at_target("2", "")}, {{"1"}, {}, {}}},
        {"what the source has no longer", {b}, {at_target("1", "a"), at_target("2", ""), at_target("3", "b")}, {{"3"}}},
        {"somebody else's", {a}, {at_target("1", "other")}, {{}}},
    };
    for (const Case& one : cases) EXPECT_EQ(align_versions(one.wanted, one.found), one.ids) << one.name;
}

class ReplicaStateTest : public testing::Test {
  protected:
    void SetUp() override { state_ = ReplicaState::open(path(), "a -> b").value(); }
    std::string path() const { return directory_.path() + "/state"; }
    // A listing: of one key the newest first.
    void list(const std::vector<SourceVersion>& versions, TimeNs began = 100) {
        ASSERT_TRUE(state_->begin_listing().ok());
        for (const SourceVersion& one : versions) ASSERT_TRUE(state_->add_listed(0, one).ok());
        ASSERT_TRUE(state_->end_listing(began, 0.5).ok());
    }
    // The ids of what waits of the next key.
    std::vector<std::string> next(const std::string& from = "", TimeNs now = 0) {
        std::vector<std::string> ids;
        const auto key = state_->next_waiting(from, now, 10'000).value();
        if (!key) return ids;
        for (const WaitingVersion& one : key->versions) ids.push_back((one.is_begun ? "begun " : "") + one.version.id);
        return ids;
    }
    Status record(const SourceVersion& version, AppliedVersion::Kind kind, TimeNs at = 0) {
        return state_->record(std::vector<AppliedVersion>{{version, kind, "t-" + version.id, {}, "wrong", at}});
    }

    TemporaryDirectory directory_;
    std::unique_ptr<ReplicaState> state_;
};
using Ids = std::vector<std::string>;
using Kind = AppliedVersion::Kind;

TEST_F(ReplicaStateTest, WhatIsNewWaitsOldestFirst) {
    list({object("a", "3"), object("a", "2"), object("a", "1"), object("b", "4")});
    EXPECT_EQ(next(), (Ids{"1", "2", "3"}));
    EXPECT_EQ(next(std::string("a\0", 2)), Ids{"4"});
    ASSERT_TRUE(record(object("a", "1"), Kind::applied).ok());
    list({object("a", "5"), object("a", "3"), object("a", "2"), object("a", "1"), object("b", "4")});
    EXPECT_EQ(next(), (Ids{"2", "3", "5"}));
    EXPECT_EQ(state_->figures()->pending, 4u);
}

TEST_F(ReplicaStateTest, AKeyOfManyVersionsWaitsUntilAllAreListed) {
    ASSERT_TRUE(state_->begin_listing().ok());
    constexpr int count = 2500;
    for (int i = count; i > 0; --i) {
        ASSERT_TRUE(state_->add_listed(0, object("a", std::to_string(i))).ok());
        ASSERT_EQ(next(), Ids{}) << i;
    }
    ASSERT_TRUE(state_->add_listed(0, object("b", "b")).ok());
    ASSERT_TRUE(state_->flush_listed().ok());
    const Ids ids = next();
    ASSERT_EQ(ids.size(), static_cast<std::size_t>(count));
    EXPECT_EQ(ids.front(), "1");
    EXPECT_EQ(ids.back(), std::to_string(count));
    // A listing that ended in the middle of a key has listed none of it.
    ASSERT_TRUE(state_->begin_listing().ok());
    for (int i = 1500; i > 0; --i) ASSERT_TRUE(state_->add_listed(0, object("c", std::to_string(i))).ok());
    state_ = ReplicaState::open(path(), "a -> b").value();
    list({object("c", "2"), object("c", "1")});
    EXPECT_EQ(next(std::string("b\0", 2)), (Ids{"1", "2"}));
}

TEST_F(ReplicaStateTest, RangesAreListedAtTheSameTime) {
    ASSERT_TRUE(state_->begin_listing().ok());
    // More than is written at once, of one key of each range, by turns.
    for (int i = 1500; i > 0; --i)
        for (const std::size_t range : {0u, 2u})
            ASSERT_TRUE(state_->add_listed(range, object(range == 0 ? "a" : "z", std::to_string(i))).ok());
    ASSERT_EQ(next(), Ids{});
    ASSERT_TRUE(state_->add_listed(0, object("b", "b")).ok());
    EXPECT_EQ(next().size(), 1500u);
    EXPECT_EQ(next("b"), Ids{});
    ASSERT_TRUE(state_->end_listing(100, 1).ok());
    EXPECT_EQ(next("c").size(), 1500u);
    EXPECT_EQ(next("c").front(), "1");
}

TEST_F(ReplicaStateTest, ALargeListingIsDividedTheNextTime) {
    const auto list_keys = [this](int count) {
        EXPECT_TRUE(state_->begin_listing().ok());
        for (int i = 0; i < count; ++i) EXPECT_TRUE(state_->add_listed(0, object(std::to_string(100'000 + i), "v")).ok());
        EXPECT_TRUE(state_->end_listing(100, 1).ok());
        return state_->begin_listing().value();
    };
    EXPECT_EQ(list_keys(3999), std::vector<std::string>{});
    const std::vector<std::string> borders = list_keys(8000);
    ASSERT_EQ(borders.size(), 3u);
    for (std::size_t i = 0; i < 3; ++i) EXPECT_NEAR(std::stoi(borders[i]) - 100'000, 2000 * static_cast<int>(i + 1), 100);
    EXPECT_EQ(list_keys(10), std::vector<std::string>{});
}

TEST(KeySampler, BordersAreEvenWhateverTheirNumber) {
    for (const int count : {1, 2, 5, 1023, 1024, 1025, 50'000}) {
        KeySampler sampler;
        for (int i = 0; i < count; ++i) sampler.add(std::to_string(1'000'000 + i));
        const auto borders = sampler.borders(3);
        EXPECT_TRUE(std::is_sorted(borders.begin(), borders.end()));
        if (count < 1000) continue;
        ASSERT_EQ(borders.size(), 3u) << count;
        for (int i = 0; i < 3; ++i)
            EXPECT_NEAR(std::stoi(borders[static_cast<std::size_t>(i)]) - 1'000'000, count * (i + 1) / 4, count / 100 + 2);
    }
    EXPECT_TRUE(KeySampler().borders(3).empty());
}

TEST_F(ReplicaStateTest, WhatComesBehindANewerOneIsLeftOut) {
    list({object("a", "2")});
    list({object("a", "3"), object("a", "2"), object("a", "1")});
    EXPECT_EQ(next(), (Ids{"2", "3"}));
    EXPECT_EQ(state_->figures()->left_out, 1u);
}

TEST_F(ReplicaStateTest, WhatFailsHasItsKeyWaitLongerEachTime) {
    list({object("a", "2"), object("a", "1"), object("b", "3")});
    TimeNs now = 1000;
    TimeNs delay = ns_per_second;
    for (int i = 0; i < 5; ++i, delay *= 2) {
        ASSERT_TRUE(record(object("a", "1"), i % 2 == 0 ? Kind::failed : Kind::unclear, now).ok());
        EXPECT_EQ(next("", now + delay - 1), Ids{"3"}) << i;
        EXPECT_EQ(next("", now + delay).size(), 2u) << i;
        now += delay;
    }
    EXPECT_EQ(state_->figures()->failed_keys, 1u);
    EXPECT_EQ(state_->figures()->failure, "wrong");
    ASSERT_TRUE(record(object("a", "1"), Kind::applied, now).ok());
    EXPECT_EQ(next("", now), Ids{"2"});
    EXPECT_EQ(state_->figures()->failed_keys, 0u);
}

TEST_F(ReplicaStateTest, WhatIsInDoubtSaysSo) {
    list({object("a", "2"), object("a", "1")});
    ASSERT_TRUE(state_->set_begun(std::vector{state_->next_waiting("", 0, 1).value().value()}).ok());
    state_ = ReplicaState::open(path(), "a -> b").value();
    EXPECT_EQ(next(), (Ids{"begun 1", "2"}));
    ASSERT_TRUE(record(object("a", "1"), Kind::not_tried).ok());
    EXPECT_EQ(next(), (Ids{"1", "2"}));
    ASSERT_TRUE(record(object("a", "1"), Kind::gone).ok());
    EXPECT_EQ(next(), Ids{"2"});
    EXPECT_EQ(state_->figures()->gone, 1u);
}

TEST_F(ReplicaStateTest, ConsistentUpToTheOldestThatWaits) {
    EXPECT_EQ(state_->figures()->consistent_to(), std::nullopt);
    list({object("a", "1", 40), object("b", "2", 60)}, 100);
    EXPECT_EQ(state_->figures()->consistent_to(), 40);
    ASSERT_TRUE(record(object("a", "1", 40), Kind::applied, 110).ok());
    EXPECT_EQ(state_->figures()->consistent_to(), 60);
    ASSERT_TRUE(record(object("b", "2", 60), Kind::applied, 110).ok());
    EXPECT_EQ(state_->figures()->consistent_to(), 100);
    // Delays are those of what came after the first listing.
    EXPECT_EQ(state_->figures()->delay_max_seconds, 0);
    list({object("a", "3", 150), object("a", "1", 40), object("b", "2", 60)}, 200);
    EXPECT_EQ(state_->figures()->consistent_to(), 150);
    ASSERT_TRUE(record(object("a", "3", 150), Kind::applied, 150 + 3 * ns_per_second).ok());
    EXPECT_EQ(state_->figures()->delay_max_seconds, 3);
    EXPECT_EQ(state_->figures()->delay_mean_seconds, 3);
}

TEST_F(ReplicaStateTest, OfOtherBucketsIsRefused) {
    EXPECT_EQ(ReplicaState::open(path(), "a -> c").error().code(), ErrorCode::conflict);
}

// Two buckets: the source in memory, the target in a file, so that a process can be killed while it puts.
class ModelBuckets final : public ReplicaBuckets {
  public:
    struct Faults {
        std::vector<int> puts;  // for each put in turn: 0 and beyond the end well, 1 not done, 2 done without an answer
        std::optional<std::size_t> killed_at;  // the put
        bool is_killed_after = false;          // it was carried out
    };
    ModelBuckets(std::map<std::string, std::vector<SourceVersion>> source, std::string target, TimeNs now, Faults faults)
        : source_(std::move(source)), target_(std::move(target)), now_(now), faults_(std::move(faults)) {}

    Status list_source(std::span<const std::string>, const VisitVersion& visit) override {
        for (auto& [key, versions] : source_)
            for (auto it = versions.rbegin(); it != versions.rend(); ++it) HF_TRY_STATUS(visit(0, *it));
        return {};
    }
    PutOutcome put(const SourceVersion& version) override {
        const std::lock_guard lock(mutex_);
        const std::size_t number = puts_++;
        const int fault = number < faults_.puts.size() ? faults_.puts[number] : 0;
        const bool is_killed = faults_.killed_at == number;
        if (is_killed && !faults_.is_killed_after) ::_exit(1);
        PutOutcome outcome;
        if (fault != 1) outcome.id = append(version);
        if (is_killed) ::_exit(1);
        if (fault != 0) outcome.error = Error(ErrorCode::unavailable, "no answer");
        outcome.may_be_there = fault != 0;
        return outcome;
    }
    Result<VersionLock> mend(const SourceVersion&, const std::string&) override { return VersionLock{}; }
    Result<std::vector<TargetVersion>> newer_at_target(const std::string& key, const std::string& after) override {
        const std::lock_guard lock(mutex_);
        std::vector<TargetVersion> found = read(target_)[key];
        const auto known = std::find_if(found.begin(), found.end(), [&](const TargetVersion& one) { return one.id == after; });
        if (known != found.end()) found.erase(found.begin(), known + 1);
        return found;
    }
    Status list_target(const VisitKey& visit) override {
        for (const auto& [key, versions] : read(target_)) HF_TRY_STATUS(visit(key, versions));
        return {};
    }
    bool has_locks() const override { return false; }
    Result<std::optional<VersionLock>> follow_lock(const SourceVersion&, const std::string&, const VersionLock& known) override {
        return std::optional(known);
    }
    TimeNs now() const override { return now_; }

    // A line each: key, id, mark; of a mark of deletion "-".
    static std::map<std::string, std::vector<TargetVersion>> read(const std::string& path) {
        std::map<std::string, std::vector<TargetVersion>> keys;
        const auto data = read_file(path, 1 << 20);
        std::string_view text = data.ok() ? as_text(*data) : std::string_view();
        while (!text.empty()) {
            const std::string line(text.substr(0, text.find('\n')));
            text.remove_prefix(line.size() + 1);
            const std::size_t first = line.find(' '), second = line.find(' ', first + 1);
            const std::string mark = line.substr(second + 1);
            keys[line.substr(0, first)].push_back({line.substr(first + 1, second - first - 1), mark == "-", mark == "-" ? "" : mark});
        }
        return keys;
    }

  private:
    std::string append(const SourceVersion& version) {
        const std::string id = std::to_string(::getpid()) + '.' + std::to_string(puts_);
        const std::string line = version.key + ' ' + id + ' ' + (version.is_marker ? "-" : version.identity()) + '\n';
        const UniqueFd fd = open_file(target_, O_WRONLY | O_CREAT | O_APPEND, 0600).value();
        EXPECT_TRUE(write_all(fd.get(), as_bytes(line), "target").ok());
        return id;
    }

    std::map<std::string, std::vector<SourceVersion>> source_;
    const std::string target_;
    const TimeNs now_;
    const Faults faults_;
    std::mutex mutex_;  // guards what follows, and the file
    std::size_t puts_ = 0;
};

// A run in a process of its own; false when it was killed.
bool run_in_child(const std::string& state_path, const std::function<std::unique_ptr<ModelBuckets>()>& make) {
    const pid_t child = ::fork();
    if (child == 0) {
        const auto buckets = make();
        const auto state = ReplicaState::open(state_path, "a -> b").value();
        Replicator replicator(*buckets, *state, system_clock(), {});
        const bool ok = replicator.pass().ok() &&
                        replicator.work(std::numeric_limits<TimeNs>::max(), Replicator::Until::nothing_to_do).ok();
        ::_exit(ok ? 0 : 2);
    }
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status));
    EXPECT_NE(WEXITSTATUS(status), 2);
    return WEXITSTATUS(status) == 0;
}

// Histories with faults, kills and lost states: in the end the target has what the source has, once and in order.
RC_GTEST_PROP(Replication, EndsEqualWhateverHappens, ()) {
    const TemporaryDirectory directory;
    const std::string state = directory.path() + "/state", target = directory.path() + "/target";
    std::map<std::string, std::vector<SourceVersion>> source;
    TimeNs now = ns_per_second;
    const int rounds = *rc::gen::inRange(1, 6);
    for (int round = 0; round <= rounds; ++round) {
        for (const int op : *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 16))) {
            const std::string key(1, static_cast<char>('a' + op % 4)), id = "v" + std::to_string(++now);
            const std::uint64_t bytes = op < 12 ? 1 : 2u << 20;  // some are large
            source[key].push_back(op / 4 == 1 ? marker(key, id, now) : object(key, id, now, bytes));
        }
        // What has failed is due again.
        now += 7200 * ns_per_second;
        ModelBuckets::Faults faults;
        if (round < rounds) {
            faults.puts = *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 3));
            if (*rc::gen::arbitrary<bool>()) faults.killed_at = *rc::gen::inRange<std::size_t>(0, 12);
            faults.is_killed_after = *rc::gen::arbitrary<bool>();
            if (*rc::gen::inRange(0, 5) == 0) ::unlink(state.c_str());
        }
        run_in_child(state, [&] { return std::make_unique<ModelBuckets>(source, target, now, faults); });
    }
    const auto found = ModelBuckets::read(target);
    for (const auto& [key, versions] : source) {
        std::vector<std::string> expected, seen;
        for (const SourceVersion& one : versions) expected.push_back(one.is_marker ? "-" : one.identity());
        if (found.contains(key))
            for (const TargetVersion& one : found.at(key)) seen.push_back(one.is_marker ? "-" : one.mark);
        RC_ASSERT(seen == expected);
    }
}

}  // namespace
}  // namespace holdfast
