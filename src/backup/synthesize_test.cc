#include <gtest/gtest.h>

#include "repository/fragmentation.h"
#include "repository/prune.h"
#include "repository/synthesize.h"
#include "support/model_backup.h"

namespace holdfast {
namespace {

WriterIdentity tester() { return {"host", "machine", "boot", 1, 1}; }

class Synthesize : public testing::Test {
  protected:
    void SetUp() override {
        Gardener gardener(21, 600);
        tree_ = gardener.plant();
        for (int i = 0; i < 12; ++i) {
            ModelSource source(tree_);
            test_.backup(source, BackupType::incremental);
            last_ = tree_;
            gardener.change(tree_, 8);
        }
        test_.open();
    }
    Result<SynthesizeReport> run(const PointInfo& point) {
        Progress progress;
        return synthesize(*test_.repository, point, tester(), "test", progress, {});
    }
    std::vector<PointInfo> points() {
        test_.open();
        return test_.repository->points(std::nullopt).value();
    }
    // Containers that a restore of the point reads.
    std::size_t containers_of(const PointInfo& point) {
        std::set<ObjectId> containers;
        ChunkReader* const chunks = test_.repository->chunks().value();
        Index* const index = test_.repository->index().value();
        EXPECT_TRUE(for_each_entry_below(*chunks, point.record.root, "", Recursion::all,
                                         [&](const std::string&, const Entry& entry) -> Status {
                                             if (entry.metadata.type != EntryType::file) return {};
                                             return for_each_run(*chunks, entry, [&](const holdfast::Run& run) -> Status {
                                                 if (run.kind != RunKind::data) return {};
                                                 HF_TRY(const LocatedChunk chunk, index->locate(run.chunk));
                                                 containers.insert(chunk.container.header.object);
                                                 return {};
                                             });
                                         })
                        .ok());
        return containers.size();
    }

    TestRepository test_{"", 21};
    ModelNode tree_, last_;
};

TEST_F(Synthesize, AFullPointOutOfIncrementsReadsContiguously) {
    const PointInfo before = test_.latest();
    ASSERT_EQ(before.record.type, BackupType::incremental);
    const std::size_t scattered = containers_of(before);
    const SynthesizeReport report = run(before).value();
    EXPECT_GT(report.chunks, 0u);
    EXPECT_GT(report.stored_bytes, 0u);
    const std::vector<PointInfo> all = points();
    const auto made = std::ranges::find(all, report.point, &PointInfo::id);
    ASSERT_NE(made, all.end());
    EXPECT_EQ(made->record.type, BackupType::synthetic_full);
    EXPECT_EQ(made->record.started, before.record.started);
    EXPECT_EQ(made->record.parent, before.id);
    EXPECT_EQ(difference(*test_.repository, last_, made->record.root, ""), "");
    EXPECT_LT(containers_of(*made), scattered);
    EXPECT_EQ(test_.check().problem_count, 0u);
    // It stands alone: all others may go.
    PruneOptions options;
    for (const PointInfo& point : all)
        if (point.id != report.point) options.removing.insert(point.id);
    Progress progress;
    ASSERT_TRUE(run_prune(*test_.repository, options, tester(), progress, {}).ok());
    test_.open();
    EXPECT_EQ(test_.check().problem_count, 0u);
    EXPECT_EQ(difference(*test_.repository, last_, points().at(0).record.root, ""), "");
    // And is a parent like any other.
    ModelSource source(last_);
    EXPECT_EQ(test_.backup(source, BackupType::incremental).stats.read_bytes, 0u);
}

// Of the points that go; a point's own object stays as long as the point.
TEST_F(Synthesize, TheOldCopiesGoWithAPrune) {
    const auto stored = [this] {
        std::uint64_t bytes = 0;
        const std::vector<ObjectInfo> objects = list_objects(*test_.storage, "").value();
        for (const ObjectInfo& info : objects) bytes += info.bytes;
        return bytes;
    };
    const SynthesizeReport report = run(test_.latest()).value();
    PruneOptions options;
    for (const PointInfo& point : points())
        if (point.id != report.point) options.removing.insert(point.id);
    Progress progress;
    ASSERT_TRUE(run_prune(*test_.repository, options, tester(), progress, {}).ok());
    // Nothing of the old copies was kept or copied.
    EXPECT_LT(stored(), report.stored_bytes + 20'000);
    test_.open();
    EXPECT_EQ(test_.check().problem_count, 0u);
}

TEST_F(Synthesize, DamageLeavesNoPoint) {
    const PointInfo before = test_.latest();
    std::size_t known = points().size();
    // A container that it needs, beyond what parity could mend.
    const std::vector<ObjectInfo> objects = list_objects(*test_.storage, "points/").value();
    const auto largest = std::ranges::max_element(objects, {}, &ObjectInfo::bytes);
    ASSERT_TRUE(test_.storage->remove(largest->name).ok());
    known -= 1;
    test_.open();
    const auto made = run(before);
    ASSERT_FALSE(made.ok());
    EXPECT_TRUE(made.error().code() == ErrorCode::corrupt || made.error().code() == ErrorCode::not_found);
    EXPECT_EQ(points().size(), known);
    EXPECT_TRUE(list_objects(*test_.storage, "leases/").value().empty());
}

TEST_F(Synthesize, FragmentationGrowsWithIncrementsAndASyntheticFullHasNone) {
    // In the order of time: the first is a full.
    auto all = points();
    std::sort(all.begin(), all.end(), [](const PointInfo& a, const PointInfo& b) { return a.inverted_time > b.inverted_time; });
    const auto measured = [this](const PointInfo& point) {
        test_.open();
        return measure_fragmentation(*test_.repository, point.record.root, {}).value();
    };
    const Fragmentation first = measured(all.front()), last = measured(all.back());
    EXPECT_LE(first.percent(), 120u);
    EXPECT_GT(last.percent(), 2 * first.percent());
    EXPECT_EQ(last.containers, containers_of(all.back()));
    EXPECT_GE(last.reads, last.containers);
    ASSERT_TRUE(run(all.back()).ok());
    const Fragmentation after = measured(test_.latest());
    EXPECT_LE(after.percent(), 120u);
    EXPECT_LT(after.reads, last.reads);
}

TEST(Fragmentation, NothingIsInOrder) {
    EXPECT_EQ(Fragmentation{}.percent(), 100u);
    EXPECT_EQ((Fragmentation{64u << 20, 2, 0, 2}.percent()), 100u);
    EXPECT_EQ((Fragmentation{64u << 20, 68, 0, 2}.percent()), 200u);
    EXPECT_EQ((Fragmentation{64u << 20, 2, 66u << 20, 2}.percent()), 200u);
}

}  // namespace
}  // namespace holdfast
