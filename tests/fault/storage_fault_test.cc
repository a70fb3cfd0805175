// Histories over a storage that misbehaves: whatever it does, what was acknowledged stays whole, and a well-behaved
// storage needs no repair afterwards.
#include <gtest/gtest.h>

#include <cinttypes>
#include <cstdlib>

#include "fault/faulty_storage.h"
#include "repository/marks.h"
#include "repository/repair.h"
#include "repository/synthesize.h"
#include "storage/memory/memory_storage.h"
#include "support/prune_race.h"

namespace holdfast {
namespace {

constexpr std::size_t histories_a_fault = 6, steps = 14;

const char* name_of(StorageFault fault) {
    static constexpr const char* names[] = {"fails once", "fails for good", "answer is lost", "slow",
                                            "cut list", "duplicate list", "late list"};
    return names[static_cast<std::size_t>(fault)];
}

class History {
  public:
    History(StorageFault fault, std::uint64_t seed)
        : fault_(fault), random_(seed), gardener_(seed, 80), tree_(gardener_.plant()), test_("", seed),
          faults_(std::make_shared<StorageFaultPlan>(test_.clock)) {}

    // The first thing that is wrong.
    std::string run() {
        for (std::size_t step = 0; step < steps; ++step) {
            const std::string what = take_step(step);
            faults_->disarm();
            test_.open();
            const std::string wrong = wrong_with(test_, expected_);
            if (!wrong.empty()) return "after " + what + ": " + wrong;
        }
        // It is used on as if nothing had been.
        test_.clock.advance(48 * 3600 * ns_per_second);
        ModelSource source(tree_);
        expected_.emplace(test_.backup(source, BackupType::incremental).point, tree_);
        prune(test_);
        test_.open();
        const std::string wrong = wrong_with(test_, expected_);
        return wrong.empty() ? "" : "in the end: " + wrong;
    }
    std::size_t succeeded() const { return succeeded_; }

  private:
    Result<std::unique_ptr<Repository>> open() {
        return Repository::open(std::make_unique<FaultyStorage>(test_.storage, faults_), test_.unlock, "",
                                test_.clock, test_.random);
    }

    // What was done.
    std::string take_step(std::size_t step) {
        test_.clock.advance(60 * ns_per_second);
        faults_->arm(fault_, random_() % (step < 2 ? 400 : 120), random_());
        const std::uint64_t choice = random_() % 10;
        const bool may_prune = fault_ != StorageFault::late_list;
        if (choice < 4 || expected_.empty()) return back_up(false);
        if (choice < 5) return back_up(may_prune);
        if (choice < 7) return remove();
        if (choice < 8 && may_prune) return prune_all();
        if (choice < 9) return synthesize_one();
        return may_prune ? repair_all() : back_up(false);
    }

    std::string back_up(bool with_prune) {
        const auto repository = open();
        if (!repository.ok()) return "a backup that did not open";
        ModelSource source(tree_);
        InterruptedSource interrupted(source, [this] { (void)prune_all(); });
        BackupOptions options;
        options.host = "host";
        options.name = "name";
        options.type = random_() % 4 == 0 ? BackupType::full : BackupType::incremental;
        options.threads = 1;
        Progress progress;
        const auto done = run_backup(**repository, with_prune ? static_cast<Source&>(interrupted) : source, options,
                                     progress, {});
        if (done.ok() && done->problem_count == 0) {
            expected_.emplace(done->point, tree_);
            ++succeeded_;
        }
        gardener_.change(tree_, 15);
        return with_prune ? "a backup beside a prune" : "a backup";
    }
    std::string prune_all() {
        const auto repository = open();
        if (!repository.ok()) return "a prune that did not open";
        PruneOptions options;
        options.max_dead_percent = random_() % 2 == 0 ? 5 : 0;
        Progress progress;
        if (run_prune(**repository, options, pruner, progress, {}).ok()) ++succeeded_;
        return "a prune";
    }
    std::string remove() {
        const auto repository = open();
        if (!repository.ok()) return "a deletion that did not open";
        auto victim = expected_.begin();
        std::advance(victim, static_cast<std::ptrdiff_t>(random_() % expected_.size()));
        PointInfo point;
        point.id = victim->first;
        // One that fails may have deleted it.
        if ((*repository)->set_mark(point, MarkKind::deleted, "test").ok()) ++succeeded_;
        expected_.erase(victim);
        return "a deletion";
    }
    std::string synthesize_one() {
        const auto repository = open();
        if (!repository.ok()) return "a synthesis that did not open";
        const auto points = (*repository)->points(std::nullopt);
        if (!points.ok()) return "a synthesis that did not list";
        for (const PointInfo& point : *points) {
            const auto found = expected_.find(point.id);
            if (found == expected_.end() || point.is_damaged) continue;
            Progress progress;
            const ModelNode tree = found->second;
            const auto made = synthesize(**repository, point, pruner, "test", progress, {});
            if (made.ok()) expected_.emplace(made->point, tree);
            if (made.ok()) ++succeeded_;
            break;
        }
        return "a synthesis";
    }
    std::string repair_all() {
        const auto repository = open();
        if (!repository.ok()) return "a repair that did not open";
        Progress progress;
        if (run_repair(**repository, {}, pruner, progress, {}).ok()) ++succeeded_;
        return "a repair";
    }

    const StorageFault fault_;
    std::mt19937_64 random_;
    Gardener gardener_;
    ModelNode tree_;
    TestRepository test_;
    std::shared_ptr<StorageFaultPlan> faults_;
    Expected expected_;
    std::size_t succeeded_ = 0;
};

class StorageFaults : public testing::TestWithParam<StorageFault> {};

TEST_P(StorageFaults, LoseNothingThatWasAcknowledged) {
    const char* const seed_text = std::getenv("HOLDFAST_TEST_SEED");
    const char* const rounds = std::getenv("HOLDFAST_TEST_ROUNDS");
    const std::size_t count = seed_text != nullptr ? 1
                                                   : histories_a_fault * HOLDFAST_PROPERTY_CASES / 30 *
                                                         (rounds != nullptr ? std::strtoull(rounds, nullptr, 10) : 1);
    std::size_t succeeded = 0;
    for (std::size_t i = 0; i < count; ++i) {
        const std::uint64_t seed = seed_text != nullptr ? std::strtoull(seed_text, nullptr, 10) : std::random_device()();
        History history(GetParam(), seed);
        std::string wrong;
        try {
            wrong = history.run();
        } catch (const std::exception& error) {
            wrong = error.what();
        }
        ASSERT_EQ(wrong, "") << name_of(GetParam()) << ": HOLDFAST_TEST_SEED=" << seed;
        succeeded += history.succeeded();
    }
    // Faults that stop everything would show nothing.
    if (seed_text == nullptr) {
        EXPECT_GT(succeeded, count * steps / 10);
    }
}

INSTANTIATE_TEST_SUITE_P(All, StorageFaults,
                         testing::Values(StorageFault::fails_once, StorageFault::fails_for_good,
                                         StorageFault::answer_is_lost, StorageFault::slow, StorageFault::cut_list,
                                         StorageFault::duplicate_list, StorageFault::late_list));

}  // namespace
}  // namespace holdfast
