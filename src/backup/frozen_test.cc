// Packs that cannot be read, as they are frozen: what reads them says so, and nothing takes them for damaged or lost.
#include <gtest/gtest.h>

#include "repository/near_chunks.h"
#include "repository/prune.h"
#include "repository/repair.h"
#include "repository/thaw.h"
#include "support/memory_cold_tier.h"
#include "support/model_backup.h"

namespace holdfast {
namespace {

WriterIdentity tester() { return {"host", "machine", "boot", 1, 1}; }

// A repository of two points; its data packs are frozen.
struct Cold {
    TestRepository test{"", 5};
    MemoryColdTier tier{test.clock};
    ModelNode tree;
    std::size_t data_reads = 0;

    Cold() {
        tree.metadata.type = EntryType::directory;
        tree.metadata.inode = 1;
        for (std::uint64_t i = 0; i < 16; ++i) add("file" + std::to_string(i), i);
        ModelSource source(tree);
        test.backup(source, BackupType::incremental);
        for (std::uint64_t i = 0; i < 12; ++i) tree.children.erase("file" + std::to_string(i));
        for (std::uint64_t i = 20; i < 30; ++i) add("file" + std::to_string(i), i);
        test.backup(source, BackupType::incremental);
        for (const std::string& name : packs()) tier.freeze(name);
        test.tier = &tier;
        test.hook = [this](std::string_view operation, const std::string& name) {
            if (operation != "read" || !name.starts_with("data/")) return ok_status();
            ++data_reads;
            return tier.read(name);
        };
        test.open();
    }
    void add(const std::string& name, std::uint64_t seed) {
        ModelNode file;
        file.metadata.mode = 0644;
        file.metadata.inode = 100 + seed;
        file.content.resize(1u << 20);
        SeededRandom(seed).fill(file.content);
        file.metadata.size = file.content.size();
        file.metadata.mtime = file.metadata.ctime = epoch + static_cast<TimeNs>(seed);
        tree.children[name] = std::move(file);
    }
    std::vector<std::string> packs() {
        std::vector<std::string> names;
        const std::vector<ObjectInfo> objects = list_objects(*test.storage, "data/").value();
        for (const ObjectInfo& info : objects) names.push_back(info.name);
        return names;
    }
    std::vector<PointInfo> points() { return test.repository->points(std::nullopt).value(); }
    PruneReport prune() {
        Progress progress;
        PruneOptions options;
        const std::vector<PointInfo> all = points();
        if (all.size() > 1) options.removing.insert(all.back().id);
        return run_prune(*test.repository, options, tester(), progress, {}).value();
    }
};

TEST(FrozenTest, AReadSaysSoAndGoesOnWhenItIsThawed) {
    Cold cold;
    Index& index = *cold.test.repository->index().value();
    ChunkReader& chunks = *cold.test.repository->chunks().value();
    PackSizes packs;
    std::vector<WantedChunk> wanted;
    const Entry root = cold.test.latest().record.root;
    ASSERT_TRUE(for_each_entry(chunks, root, [&](const Entry& file) -> Status {
                    HF_TRY_STATUS(add_packs_of(file, chunks, index, packs));
                    return for_each_run(chunks, file, [&wanted](const holdfast::Run& run) -> Status {
                        wanted.push_back({run.chunk, {run.chunk_offset, static_cast<std::uint32_t>(run.bytes)}});
                        return {};
                    });
                }).ok());
    EXPECT_EQ(cold.data_reads, 0u);
    ASSERT_FALSE(packs.empty());
    for (const auto& [name, bytes] : packs) EXPECT_EQ(cold.test.storage->head(name)->bytes, bytes);
    chunks.on_missing = [](const ChunkId&, const ChunkRange&) { FAIL() << "frozen, not missing"; };
    std::set<ErrorCode> errors;
    const auto read_all = [&] {
        std::size_t whole = 0;
        read_near_chunks(chunks, index, wanted, [&](std::size_t, const ReadFrom*, const Result<ChunkContent>& content) {
            if (content.ok()) ++whole;
            else errors.insert(content.error().code());
        });
        return whole;
    };
    // Some are in the points' own objects.
    EXPECT_LT(read_all(), wanted.size());
    EXPECT_EQ(errors, std::set{ErrorCode::frozen});
    // One by one they are frozen too: they are not tried.
    EXPECT_LT(cold.data_reads, wanted.size());
    std::set<std::string> told;
    chunks.on_frozen = [&](const std::string& name) -> Status {
        told.insert(name);
        HF_TRY_STATUS(cold.tier.thaw(std::span(&name, 1), {}));
        return cold.tier.look(std::span(&name, 1), [](const std::string&, const Readability&) {});
    };
    EXPECT_EQ(read_all(), wanted.size());
    std::set<std::string> planned;
    for (const auto& [name, bytes] : packs) planned.insert(name);
    EXPECT_EQ(told, planned);
}

TEST(FrozenTest, APruneRemovesWhatIsDeadAndReadsNothing) {
    Cold cold;
    const auto before = cold.packs();
    const PruneReport report = cold.prune();
    EXPECT_GT(report.plan.archived_bytes, 0u);
    EXPECT_GT(report.plan.removed_objects, 1u);
    EXPECT_EQ(cold.data_reads, 0u);
    EXPECT_LT(cold.packs().size(), before.size());
    cold.test.open();
    const CheckReport check = cold.test.check();
    EXPECT_EQ(check.problem_count, 0u) << (check.problems.empty() ? "" : check.problems[0]);
    EXPECT_EQ(check.frozen_packs, cold.packs().size());
    cold.test.hook = nullptr;
    cold.test.open();
    EXPECT_EQ(difference(*cold.test.repository, cold.tree, cold.points().at(0).record.root, ""), "");
}

// Its fragment is lost and its table cannot be read: it may be what a point lacks.
TEST(FrozenTest, APackThatNoFragmentNamesStaysWhereAPointIsIncomplete) {
    Cold cold;
    for (const PointInfo& point : cold.points())
        ASSERT_TRUE(cold.test.repository->set_mark(point, MarkKind::incomplete, "test").ok());
    const std::vector<ObjectInfo> fragments = list_objects(*cold.test.storage, "index/").value();
    for (const ObjectInfo& info : fragments) ASSERT_TRUE(cold.test.storage->remove(info.name).ok());
    cold.test.open();
    const auto before = cold.packs();
    (void)cold.prune();
    EXPECT_EQ(cold.packs(), before);
}

// An earlier prune has condemned it before it was needed. It cannot be written anew, so it stays condemned and stays.
TEST(FrozenTest, ACondemnedPackThatIsNeededStays) {
    Cold cold;
    TombstoneRecord record;
    record.time = cold.test.clock.now();
    for (const std::string& name : cold.packs())
        record.objects.push_back(ObjectId::from_hex(name.substr(name.size() - 32)).value());
    ASSERT_TRUE(put_tombstone(*cold.test.repository, record).ok());
    cold.test.open();
    for (int i = 0; i < 2; ++i) {
        const PruneReport report = cold.prune();
        EXPECT_EQ(report.plan.copied_bytes, 0u);
        EXPECT_EQ(cold.data_reads, 0u);
        cold.test.open();
        EXPECT_EQ(cold.test.check().problem_count, 0u);
    }
    cold.test.hook = nullptr;
    cold.test.open();
    EXPECT_EQ(difference(*cold.test.repository, cold.tree, cold.points().at(0).record.root, ""), "");
}

TEST(FrozenTest, ARepairLeavesItAlone) {
    Cold cold;
    const auto before = cold.packs();
    Progress progress;
    const RepairReport report = run_repair(*cold.test.repository, {}, tester(), progress, {}).value();
    EXPECT_EQ(report.frozen_objects, before.size());
    EXPECT_EQ(report.problem_count, 0u);
    EXPECT_TRUE(report.beyond_mending.empty() && report.mended.empty());
    EXPECT_EQ(cold.packs(), before);
}

}  // namespace
}  // namespace holdfast
