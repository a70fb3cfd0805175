#include <gtest/gtest.h>

#include "repository/prune.h"
#include "repository/repair.h"
#include "support/model_backup.h"

namespace holdfast {
namespace {

WriterIdentity tester() { return {"host", "machine", "boot", 1, 1}; }

// A repository with a tree in packs, small points, and a stream that changes.
struct Damaged {
    TestRepository test;
    std::vector<std::pair<RestorePointId, ModelNode>> points;

    explicit Damaged(std::uint64_t seed) : test("", seed) {
        Gardener gardener(seed, 300);
        ModelNode tree = gardener.plant();
        ModelNode large;
        large.metadata.mode = 0644;
        large.metadata.inode = 999'999;
        large.content = random_content(6u << 20, seed);
        large.metadata.size = large.content.size();
        tree.children["large"] = large;
        for (int i = 0; i < 4; ++i) {
            ModelSource source(tree);
            test.backup(source, BackupType::incremental);
            points.emplace_back(test.latest().id, tree);
            gardener.change(tree, 5);
            tree.children["large"] = large;
        }
    }
    static Bytes random_content(std::size_t bytes, std::uint64_t seed) {
        Bytes content(bytes);
        SeededRandom(seed).fill(content);
        return content;
    }
    RepairReport repair(Repository* from = nullptr, bool dry_run = false) {
        test.open();
        RepairOptions options;
        options.from = from;
        options.dry_run = dry_run;
        Progress progress;
        return run_repair(*test.repository, options, tester(), progress, {}).value();
    }
    std::vector<std::string> names(const std::string& prefix) {
        std::vector<std::string> result;
        const std::vector<ObjectInfo> objects = list_objects(*test.storage, prefix).value();
        for (const ObjectInfo& info : objects) result.push_back(info.name);
        return result;
    }
    Bytes get(const std::string& name) { return test.storage->get(name, UINT32_MAX).value(); }
    void put(const std::string& name, const Bytes& data) {
        if (test.storage->put(name, data, Durability::immediate).ok()) return;
        auto writer = test.storage->begin_again(name).value();
        ASSERT_TRUE(writer->append(data).ok());
        ASSERT_TRUE(writer->commit(Durability::immediate).ok());
    }
    // Every `step`th byte: nothing that parity could mend.
    void spoil(const std::string& name, std::size_t step) {
        Bytes data = get(name);
        for (std::size_t i = step / 2; i < data.size(); i += step) data[i] ^= 0x55;
        put(name, data);
    }
    void expect_whole() {
        test.open();
        const CheckReport check = test.check();
        EXPECT_EQ(check.problem_count, 0u) << (check.problems.empty() ? "" : check.problems[0]);
        for (const auto& [id, tree] : points) EXPECT_EQ(difference_of(id, tree), "");
    }
    std::vector<PointInfo> stored_points() { return test.repository->points(std::nullopt).value(); }
    std::string difference_of(const RestorePointId& id, const ModelNode& tree) {
        for (const PointInfo& point : stored_points())
            if (point.id == id) return difference(*test.repository, tree, point.record.root, "");
        return "no such point";
    }
};

TEST(RepairTest, AWholeRepositoryIsLeftAlone) {
    Damaged one(1);
    const auto before = one.names("");
    const RepairReport report = one.repair();
    EXPECT_TRUE(report.mended.empty());
    EXPECT_EQ(report.problem_count, 0u);
    EXPECT_EQ(one.names(""), before);
}

TEST(RepairTest, WhatParityCanMendIsMendedToTheByte) {
    Damaged one(2);
    std::mt19937_64 random(2);
    for (const std::string& name : one.names("")) {
        const Bytes whole = one.get(name);
        Bytes data = whole;
        // A burst of up to a hundredth, anywhere.
        const std::size_t length = 1 + random() % (1 + whole.size() / 100);
        const std::size_t at = random() % (whole.size() - length + 1);
        for (std::size_t i = at; i < at + length; ++i) data[i] ^= static_cast<std::uint8_t>(random() | 1);
        one.put(name, data);
        const RepairReport dry = one.repair(nullptr, true);
        EXPECT_EQ(dry.mended, std::vector<std::string>{name}) << at << '+' << length;
        EXPECT_EQ(one.get(name), data);
        EXPECT_EQ(one.repair().mended, std::vector<std::string>{name}) << at << '+' << length;
        EXPECT_EQ(one.get(name), whole) << name;
    }
    one.expect_whole();
}

TEST(RepairTest, ReadersMendWhatTheyReadWithoutARepair) {
    Damaged one(3);
    for (const std::string& name : one.names("")) {
        if (name.starts_with("keys/") || name.starts_with("config")) continue;
        Bytes data = one.get(name);
        // As many as the fewest parity slices: one in a small object, else two, which may be of one column.
        const std::size_t step = data.size() < 20'000 ? data.size() : data.size() / 2 + 1;
        for (std::size_t i = 0; i < data.size(); i += step) data[i] ^= 1;
        one.put(name, data);
    }
    one.test.open();
    for (const auto& [id, tree] : one.points) EXPECT_EQ(one.difference_of(id, tree), "");
    EXPECT_NE(one.test.check().problem_count, 0u);
    EXPECT_EQ(one.repair().problem_count, 0u);
    one.expect_whole();
}

// The tail of a pack is lost, so that its parity is found by a search: once, and what was mended is kept. So is it known
// that there is none, when the other tail is lost, too.
TEST(RepairTest, ParityIsLookedForOnceForTheChunksOfAnObject) {
    for (const bool has_parity : {true, false}) {
        Damaged one(12);
        const std::string name = one.names("data/").front();
        one.test.open();
        const auto fragments = one.test.repository->index().value()->fragments();
        std::optional<LocatedChunk> chunk;
        for (const auto& fragment : fragments)
            for (std::size_t i = 0; i < fragment->chunk_count() && !chunk; ++i)
                if (name == container_name(fragment->containers()[fragment->container_of(i)]))
                    chunk = LocatedChunk{fragment->containers()[fragment->container_of(i)], fragment->location(i)};
        ASSERT_TRUE(chunk.has_value());
        Bytes data = one.get(name);
        data[chunk->location.offset + 20] ^= 1;
        const auto tail = decode_tail(data);
        ASSERT_TRUE(tail.ok());
        const std::uint64_t end = data.size();
        const std::uint64_t inner = end - tail->extra_bytes + tail->parity.summary_bytes(tail->body_bytes);
        data[end - 1] ^= 1;
        if (!has_parity) data[inner - 1] ^= 1;
        one.put(name, data);
        std::size_t reads = 0;
        one.test.hook = [&](std::string_view operation, const std::string&) {
            if (operation == "read") ++reads;
            return ok_status();
        };
        ChunkReader& reader = *one.test.repository->chunks().value();
        EXPECT_EQ(reader.read(*chunk).ok(), has_parity);
        const std::size_t first = std::exchange(reads, 0);
        EXPECT_EQ(reader.read(*chunk).ok(), has_parity);
        EXPECT_LT(reads, first / 2);
    }
}

TEST(RepairTest, TheIndexIsMadeAgainFromPacksAlone) {
    Damaged one(4);
    for (const std::string& name : one.names("index/")) ASSERT_TRUE(one.test.storage->remove(name).ok());
    EXPECT_GT(one.repair().indexed_packs, 0u);
    EXPECT_FALSE(one.names("index/").empty());
    one.expect_whole();
    EXPECT_EQ(one.repair().indexed_packs, 0u);
    for (const std::string& name : one.names("index/")) one.spoil(name, 16);
    EXPECT_GT(one.repair().indexed_packs, 0u);
    one.expect_whole();
}

TEST(RepairTest, WhatCanBeReadOfDamagedPacksThatNoFragmentNamesIsKept) {
    Damaged one(12);
    for (const std::string& name : one.names("index/")) ASSERT_TRUE(one.test.storage->remove(name).ok());
    for (const std::string& name : one.names("data/")) {
        Bytes data = one.get(name);
        std::fill(data.begin() + 1000, data.begin() + static_cast<std::ptrdiff_t>(data.size() / 3), 0);
        one.put(name, data);
    }
    const RepairReport report = one.repair();
    EXPECT_GT(report.lost_chunks, 0u);
    EXPECT_GT(report.salvaged_chunks, 0u);
    one.test.open();
    for (const auto& [id, tree] : one.points) {
        ModelSource source(tree);
        one.test.backup(source, BackupType::incremental);
    }
    EXPECT_EQ(one.repair().problem_count, 0u);
    one.expect_whole();
}

TEST(RepairTest, WhatIsBeyondParityComesFromTheLiveSourceAtTheNextBackup) {
    Damaged one(5);
    for (const char* folder : {"data/", "meta/"})
        for (const std::string& name : one.names(folder)) one.spoil(name, 60'000);
    const RepairReport report = one.repair();
    EXPECT_GT(report.salvaged_chunks + report.lost_chunks, 0u);
    EXPECT_GT(report.lost_chunks, 0u);
    EXPECT_NE(report.problem_count, 0u);
    EXPECT_FALSE(report.incomplete_points.empty());
    for (const std::string& problem : report.problems)
        EXPECT_NE(problem.find("restore point "), std::string::npos) << problem;
    // The live sources of all points, in turn: each stores again what it still has.
    one.test.open();
    for (const auto& [id, tree] : one.points) {
        ModelSource source(tree);
        one.test.backup(source, BackupType::incremental);
    }
    const RepairReport again = one.repair();
    EXPECT_EQ(again.problem_count, 0u) << (again.problems.empty() ? "" : again.problems[0]);
    EXPECT_TRUE(again.incomplete_points.empty());
    one.expect_whole();
    for (const PointInfo& point : one.stored_points())
        EXPECT_FALSE(point.is_incomplete);
}

TEST(RepairTest, LostFilesOfAllPointsAreNamed) {
    Damaged one(6);
    for (const std::string& name : one.names("data/")) ASSERT_TRUE(one.test.storage->remove(name).ok());
    const RepairReport report = one.repair();
    std::size_t named = 0;
    for (const auto& [id, tree] : one.points)
        for (const std::string& problem : report.problems)
            named += problem.find("restore point " + id.hex().substr(0, 12) + ": /large") != std::string::npos;
    EXPECT_EQ(named, one.points.size());
    // What is left stays usable: a prune does not stop at it.
    Progress progress;
    EXPECT_TRUE(run_prune(*one.test.repository, {}, tester(), progress, {}).ok());
}

TEST(RepairTest, APointBeyondMendingIsMadeAgainFromTheFoldedRecord) {
    Damaged one(7);
    ModelNode tree = one.points.back().second;
    Gardener gardener(77, 300);
    for (int i = 0; i < 20; ++i) {  // until points are folded
        gardener.change(tree, 1);
        ModelSource source(tree);
        one.test.backup(source, BackupType::incremental);
        one.points.emplace_back(one.test.latest().id, tree);
    }
    const std::string victim = one.points[0].first.hex();
    for (const std::string& name : one.names("points/"))
        if (name.ends_with(victim)) one.spoil(name, 16);
    const RepairReport report = one.repair();
    EXPECT_TRUE(report.beyond_mending.empty());
    one.test.open();
    EXPECT_EQ(one.test.check().problem_count, report.problem_count);
    bool is_there = false;
    for (const PointInfo& point : one.stored_points())
        is_there = is_there || (point.id.hex() == victim && !point.is_damaged);
    EXPECT_TRUE(is_there);
}

TEST(RepairTest, AnotherRepositoryGivesWhatIsLost) {
    Damaged one(8);
    one.test.open();
    // Made like the first, with the same points.
    auto storage = std::make_shared<MemoryStorage>();
    Unlock unlock;
    unlock.key_file = Repository::init(*storage, one.test.repository.get(), std::nullopt,
                                       Repository::keep_nothing, one.test.clock, one.test.random)
                          .value()
                          .key_file;
    const auto nothing = [](std::string_view, const std::string&) { return ok_status(); };
    auto other = Repository::open(std::make_unique<HookedStorage>(storage, nothing), unlock, "",
                                  one.test.clock, one.test.random)
                     .value();
    std::swap(one.test.repository, other);
    for (const auto& [id, tree] : one.points) {
        ModelSource source(tree);
        one.test.backup(source, BackupType::full);
    }
    std::swap(one.test.repository, other);
    for (const char* folder : {"data/", "meta/"})
        for (const std::string& name : one.names(folder)) ASSERT_TRUE(one.test.storage->remove(name).ok());
    const RepairReport dry = one.repair(other.get(), true);
    EXPECT_GT(dry.fetched_chunks, 0u);
    const RepairReport report = one.repair(other.get());
    EXPECT_GT(report.fetched_chunks, 0u);
    EXPECT_EQ(report.problem_count, 0u) << (report.problems.empty() ? "" : report.problems[0]);
    one.expect_whole();
}

TEST(RepairTest, OneThatNamesContentOtherwiseIsRefused) {
    Damaged one(9), stranger(10);
    RepairOptions options;
    options.from = stranger.test.repository.get();
    Progress progress;
    const auto repaired = run_repair(*one.test.repository, options, tester(), progress, {});
    ASSERT_FALSE(repaired.ok());
    EXPECT_EQ(repaired.error().code(), ErrorCode::invalid_argument);
}

// Whatever request fails, and so whatever moment it is killed at: nothing is worse, and the next one goes on.
TEST(RepairTest, NoFailedRequestMakesItWorse) {
    for (std::size_t limit = 0;; limit += limit / 8 + 1) {
        Damaged one(11);
        for (const std::string& name : one.names("index/")) one.spoil(name, 16);
        bool first = true;
        for (const std::string& name : one.names("data/")) {
            if (std::exchange(first, false)) one.spoil(name, 200'000);
        }
        one.test.open();
        std::size_t requests = 0;
        one.test.hook = [&](std::string_view, const std::string& name) -> Status {
            if (++requests <= limit) return {};
            return Error(ErrorCode::unavailable, name + ": no answer");
        };
        Progress progress;
        const auto failed = run_repair(*one.test.repository, {}, tester(), progress, {});
        one.test.hook = nullptr;
        if (failed.ok()) break;
        (void)one.repair();
        one.test.open();
        for (const auto& [id, tree] : one.points) {
            ModelSource live(tree);
            one.test.backup(live, BackupType::incremental);
        }
        const RepairReport last = one.repair();
        EXPECT_EQ(last.problem_count, 0u)
            << limit << ": " << (last.problems.empty() ? "" : last.problems[0]);
        one.expect_whole();
        if (testing::Test::HasFailure()) break;
    }
}

}  // namespace
}  // namespace holdfast
