// Copies of restore points in another repository, with the same keys for content and with others.
#include <gtest/gtest.h>

#include "repository/copy.h"
#include "repository/prune.h"
#include "support/model_backup.h"

namespace holdfast {
namespace {

WriterIdentity tester() { return {"host", "machine", "boot", 1, 1}; }

enum class Keys { shared, other };

class CopyTest : public testing::TestWithParam<Keys> {
  protected:
    CopyTest()
        : source_("", 31), target_("", 32, GetParam() == Keys::shared ? source_.repository.get() : nullptr) {}

    // `count` more restore points of a tree that changes.
    void back_up(int count) {
        for (int i = 0; i < count; ++i) {
            if (!trees_.empty()) gardener_.change(tree_, 8);
            ModelSource source(tree_);
            trees_[source_.backup(source, BackupType::incremental).point] = tree_;
        }
    }
    // Copies what is not there yet, oldest first; returns the reports.
    Result<std::vector<CopyReport>> copy_all() {
        source_.open();
        target_.open();
        HF_TRY(const auto points, source_.repository->points(std::nullopt));
        HF_TRY(CopyTarget target, CopyTarget::open(*target_.repository));
        std::vector<CopyReport> reports;
        Progress progress;
        for (auto point = points.rbegin(); point != points.rend(); ++point) {
            if (target.find(*point) != nullptr) continue;
            HF_TRY(CopyReport report, copy_point(*source_.repository, points, *point, target, tester(), "test", progress, {}));
            HF_TRY(const auto there, target_.repository->points(std::nullopt));
            target.add(*std::ranges::find(there, report.point, &PointInfo::id));
            reports.push_back(report);
        }
        return reports;
    }
    void expect_copies(std::size_t count) {
        target_.open();
        const auto points = target_.repository->points(std::nullopt).value();
        EXPECT_EQ(points.size(), count);
        for (const PointInfo& point : points) {
            ASSERT_TRUE(trees_.contains(point.record.origin));
            EXPECT_EQ(difference(*target_.repository, trees_.at(point.record.origin), point.record.root, ""), "");
        }
        const CheckReport check = target_.check();
        EXPECT_EQ(check.problem_count, 0u) << (check.problems.empty() ? "" : check.problems.front());
    }
    static void prune(TestRepository& repository, std::set<RestorePointId> removing) {
        repository.open();
        PruneOptions options;
        options.removing = std::move(removing);
        options.max_dead_percent = 0;
        Progress progress;
        const auto pruned = run_prune(*repository.repository, options, tester(), progress, {});
        ASSERT_TRUE(pruned.ok()) << pruned.error().describe();
        repository.open();
    }

    Gardener gardener_{21, 600};
    ModelNode tree_ = gardener_.plant();
    TestRepository source_, target_;
    std::map<RestorePointId, ModelNode> trees_;
};

TEST_P(CopyTest, EachPointIsTheSameAndCostsWhatChanged) {
    back_up(8);
    const auto reports = copy_all().value();
    ASSERT_EQ(reports.size(), 8u);
    expect_copies(8);
    for (std::size_t i = 1; i < reports.size(); ++i) EXPECT_LT(reports[i].read_bytes, reports[0].read_bytes / 2) << i;
    EXPECT_TRUE(copy_all()->empty());
    back_up(2);
    const auto more = copy_all().value();
    ASSERT_EQ(more.size(), 2u);
    EXPECT_LT(more[0].read_bytes, reports[0].read_bytes / 2);
    expect_copies(10);
    EXPECT_EQ(target_.repository->points(std::nullopt)->front().record.host, "host");
}

TEST_P(CopyTest, OfThinnedChunksWhatIsNeededIsThere) {
    back_up(12);
    source_.open();
    std::set<RestorePointId> old;
    const auto points = source_.repository->points(std::nullopt).value();
    for (std::size_t i = 1; i < points.size(); ++i) old.insert(points[i].id);
    prune(source_, old);
    ASSERT_EQ(copy_all()->size(), 1u);
    expect_copies(1);
    back_up(1);
    ASSERT_EQ(copy_all()->size(), 1u);
    expect_copies(2);
}

TEST_P(CopyTest, WhatWasPrunedInTheTargetIsCopiedAgain) {
    back_up(3);
    ASSERT_EQ(copy_all()->size(), 3u);
    const auto points = target_.repository->points(std::nullopt).value();
    prune(target_, {points[0].id, points[1].id});
    expect_copies(1);
    ASSERT_EQ(copy_all()->size(), 2u);
    expect_copies(3);
}

TEST_P(CopyTest, AfterEachFailureTheNextTryGoesOn) {
    back_up(3);
    std::size_t requests = 0;
    target_.hook = [&requests](std::string_view, const std::string&) { return ++requests, ok_status(); };
    ASSERT_EQ(copy_all()->size(), 3u);
    const std::size_t all = requests;
    // The first three open the target: who cannot has not begun.
    for (std::size_t fail_at = 4; fail_at < all; fail_at += 7) {
        TestRepository fresh("", 100 + fail_at, GetParam() == Keys::shared ? source_.repository.get() : nullptr);
        std::swap(target_.storage, fresh.storage);
        std::swap(target_.unlock, fresh.unlock);
        requests = 0;
        target_.hook = [&requests, fail_at](std::string_view, const std::string& name) -> Status {
            if (++requests == fail_at) return Error(ErrorCode::unavailable, name + ": made to fail");
            return {};
        };
        (void)copy_all().ok();
        target_.hook = nullptr;
        ASSERT_TRUE(copy_all().ok());
        expect_copies(3);
    }
}

TEST_P(CopyTest, DamageIsNotCopied) {
    ModelNode large;
    large.metadata = tree_.metadata;
    large.metadata.type = EntryType::file;
    large.content = random_bytes(6u << 20);
    large.metadata.size = large.content.size();
    tree_.children["large"] = large;
    back_up(1);
    const auto objects = list_objects(*source_.storage, "data/").value();
    ASSERT_FALSE(objects.empty());
    const std::string name = objects.front().name;
    Bytes data = source_.storage->get(name, 1u << 30).value();
    for (std::size_t i = 100; i < data.size(); ++i) data[i] ^= 0x55;
    ASSERT_TRUE(source_.storage->remove(name).ok());
    ASSERT_TRUE(source_.storage->put(name, data, Durability::none).ok());
    const auto copied = copy_all();
    ASSERT_FALSE(copied.ok());
    EXPECT_EQ(copied.error().code(), ErrorCode::corrupt) << copied.error().describe();
    target_.open();
    EXPECT_TRUE(target_.repository->points(std::nullopt)->empty());
}

// A backup made directly and a copy of one share what they have in common.
TEST(CopyLikeTest, CopiesAndDirectBackupsDeduplicate) {
    Gardener gardener(21, 600);
    const ModelNode tree = gardener.plant();
    TestRepository source("", 51);
    TestRepository target("", 52, source.repository.get());
    ModelSource from(tree);
    source.backup(from, BackupType::full);
    target.backup(from, BackupType::full);
    const auto points = source.repository->points(std::nullopt).value();
    CopyTarget to = CopyTarget::open(*target.repository).value();
    Progress progress;
    const auto report = copy_point(*source.repository, points, points.at(0), to, tester(), "test", progress, {});
    ASSERT_TRUE(report.ok()) << report.error().describe();
    EXPECT_EQ(report->chunks, 0u);
    EXPECT_LT(report->stored_bytes, 3000u);
}

INSTANTIATE_TEST_SUITE_P(Keys, CopyTest, testing::Values(Keys::shared, Keys::other));

}  // namespace
}  // namespace holdfast
