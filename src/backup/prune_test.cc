// Properties of prune: with backups before, beside and after it.
#include "repository/prune.h"

#include <gtest/gtest.h>

#include "repository/thinning.h"
#include "repository/write_session.h"
#include "support/prune_race.h"
#include "support/temporary_directory.h"

namespace holdfast {
namespace {

// A handful of random histories; the seed of one that fails is in the message, and HOLDFAST_TEST_SEED
// plays it again. HOLDFAST_TEST_ROUNDS times as many, for a long run.
template <typename Property>
void for_some_seeds(int count, Property property) {
    const char* const given = std::getenv("HOLDFAST_TEST_SEED");
    const char* const rounds = std::getenv("HOLDFAST_TEST_ROUNDS");
    if (rounds != nullptr) count *= std::atoi(rounds);
    for (int i = 0; i < (given != nullptr ? 1 : count); ++i) {
        const std::uint64_t seed =
            given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device()();
        SCOPED_TRACE("seed " + std::to_string(seed));
        property(seed);
        if (testing::Test::HasFailure()) return;
    }
}

TEST(PruneProperty, WhatStaysIsWholeAndWhatGoesGivesItsSpaceBack) {
    for_some_seeds(12, [](std::uint64_t seed) {
        std::mt19937_64 random(seed);
        Gardener gardener(seed, 200);
        ModelNode tree = gardener.plant();
        TestRepository test("", seed);
        Expected expected;
        for (int step = 0; step < 16; ++step) {
            const std::uint64_t what = random() % 10;
            if (what < 5 || expected.empty()) {
                ModelSource source(tree);
                const auto type = random() % 4 == 0 ? BackupType::full : BackupType::incremental;
                expected.emplace(test.backup(source, type).point, tree);
                gardener.change(tree, 15);
            } else if (what < 8) {
                remove_one(test, expected, random());
            } else {
                PruneOptions options;
                options.max_dead_percent = random() % 2 == 0 ? 5 : 0;
                if (random() % 4 == 0) options.max_part_bytes = random() % 3000;
                prune(test, options);
                ASSERT_EQ(wrong_with(test, expected), "");
            }
            if (random() % 3 == 0) test.open();
        }
        ASSERT_EQ(wrong_with(test, expected), "");
        while (!expected.empty()) remove_one(test, expected, 0);
        prune(test);
        const auto usage = test.repository->usage().value();
        for (const char* folder : {"data", "meta", "points", "index", "tombstones", "leases", "marks"})
            EXPECT_FALSE(usage.contains(folder)) << folder;
    });
}

TEST(PruneTest, NothingToDoChangesNothing) {
    TestRepository test;
    Gardener gardener(1);
    const ModelNode tree = gardener.plant();
    ModelSource source(tree);
    test.backup(source, BackupType::incremental);
    prune(test);
    const auto before = list_objects(*test.storage, "").value();
    const PruneReport report = prune(test);
    EXPECT_EQ(report.deleted_objects, 0u);
    EXPECT_EQ(report.written_bytes, 0u);
    EXPECT_EQ(list_objects(*test.storage, "").value(), before);
}

TEST(PruneTest, ADryRunWritesNothing) {
    TestRepository test;
    Gardener gardener(2);
    ModelNode tree = gardener.plant();
    ModelSource source(tree);
    test.backup(source, BackupType::incremental);
    const PointInfo first = test.latest();
    gardener.change(tree, 30);
    test.backup(source, BackupType::incremental);
    const auto before = list_objects(*test.storage, "").value();
    PruneOptions options;
    options.removing = {first.id};
    Progress progress;
    const PrunePlan plan = plan_prune(*test.repository, options, pruner, progress, {}).value();
    EXPECT_EQ(plan.removed_points.size(), 1u);
    EXPECT_EQ(list_objects(*test.storage, "").value(), before);
}

// Any request of a prune fails, once or from then on: every point that stays is whole, and the next
// prune does what is left.
TEST(PruneProperty, NoFailedRequestLosesWhatStays) {
    for_some_seeds(12, [](std::uint64_t seed) {
        std::mt19937_64 random(seed);
        const bool stays_failed = random() % 2 == 0;
        Gardener gardener(seed, 200);
        ModelNode tree = gardener.plant();
        TestRepository test("", seed);
        Expected expected;
        for (int i = 0; i < 3; ++i) {
            ModelSource source(tree);
            expected.emplace(test.backup(source, BackupType::incremental).point, tree);
            gardener.change(tree, 20);
        }
        remove_one(test, expected, random());
        for (int attempt = 0; attempt < 6; ++attempt) {
            std::size_t until_failure = random() % 60;
            bool failed = false;
            test.hook = [&](std::string_view, const std::string& name) -> Status {
                if (!(failed && stays_failed) && until_failure-- != 0) return {};
                failed = true;
                return Error(ErrorCode::unavailable, name + ": made to fail");
            };
            (void)try_prune(test).ok();
            test.hook = nullptr;
            test.open();
            ASSERT_EQ(wrong_with(test, expected), "");
        }
        test.clock.advance(24 * 3600 * ns_per_second);  // the failed ones' leases
        prune(test);
        ASSERT_EQ(wrong_with(test, expected), "");
        ModelSource source(tree);
        expected.emplace(test.backup(source, BackupType::incremental).point, tree);
        ASSERT_EQ(wrong_with(test, expected), "");
    });
}

// A fold at the worst moment: when the pruner has copied what is needed and not yet condemned where it
// was, another session folds both places into one entry.
TEST(PruneTest, AFoldThatKeepsTheOldPlaceOfAChunkLosesNothing) {
    for_some_seeds(8, [](std::uint64_t seed) {
        TestRepository test("", seed);
        Gardener gardener(seed, 200);
        ModelNode tree = gardener.plant();
        Expected expected;
        const auto back_up = [&] {
            ModelSource source(tree);
            expected.emplace(test.backup(source, BackupType::incremental).point, tree);
        };
        for (int i = 0; i < 14; ++i) {
            back_up();
            gardener.change(tree, 2);
        }
        for (int i = 0; i < 5; ++i) remove_one(test, expected, static_cast<std::uint64_t>(i));
        TestRepository other("", ~seed);
        other.storage = test.storage;
        other.unlock = test.unlock;
        other.open();
        bool folded = false;
        test.hook = [&](std::string_view operation, const std::string& name) -> Status {
            if (operation != "put" || !name.starts_with("tombstones/") || std::exchange(folded, true))
                return {};
            for (int i = 0; i < 4; ++i) {
                ModelSource source(tree);
                expected.emplace(other.backup(source, BackupType::incremental).point, tree);
                gardener.change(tree, 2);
            }
            return {};
        };
        prune(test);
        test.hook = nullptr;
        ASSERT_TRUE(folded);
        test.open();
        ASSERT_EQ(wrong_with(test, expected), "");
        prune(test);
        ASSERT_EQ(wrong_with(test, expected), "");
    });
}

// Forty files that share a chunk.
ModelNode small_files(std::uint64_t seed) {
    std::mt19937_64 random(seed);
    ModelNode tree;
    tree.metadata.type = EntryType::directory;
    tree.metadata.mode = 0755;
    for (int i = 0; i < 40; ++i) {
        ModelNode& file = tree.children["file" + std::to_string(i)];
        file.metadata.inode = static_cast<std::uint64_t>(i) + 2;
        file.metadata.mtime = file.metadata.ctime = epoch + static_cast<TimeNs>(seed) * 1000;
        file.content.resize(8000);
        for (std::uint8_t& byte : file.content) byte = static_cast<std::uint8_t>(random());
        file.metadata.size = file.content.size();
    }
    return tree;
}

// Two copies of a chunk, thinned in different ways, may be copied into one pack: both are needed.
TEST(PruneTest, TwoThinnedCopiesInOnePackAreBothKnown) {
    TestRepository test("", 1);
    ModelNode tree = small_files(1);
    ModelSource source(tree);
    test.backup(source, BackupType::full);
    Index* const index = test.repository->index().value();
    ChunkReader* const reader = test.repository->chunks().value();
    std::optional<LocatedChunk> group;
    const PointInfo point = test.latest();
    EXPECT_TRUE(for_each_entry_below(*reader, point.record.root, "", Recursion::all,
                                     [&](const std::string&, const Entry& entry) {
                                         return for_each_run(*reader, entry, [&](const holdfast::Run& run) -> Status {
                                             group = index->locate(run.chunk).value();
                                             return {};
                                         });
                                     })
                    .ok());
    const std::uint32_t half = group->location.raw_bytes / 2;
    const std::vector<ChunkRange> parts{{0, half}, {half, group->location.raw_bytes - half}};
    auto session = WriteSession::begin(*test.repository, pruner).value();
    Compressor compressor(CompressionLevel::standard);
    const LocatedChunk original = test.repository->index().value()->locate(group->location.id).value();
    for (const ChunkRange& part : parts)
        EXPECT_TRUE(session->append(thin(original, reader->read(original).value(), std::span(&part, 1),
                                         test.repository->keyring(), compressor))
                        .ok());
    EXPECT_TRUE(session->store().ok());
    EXPECT_TRUE(session->abandon().ok());
    for (const bool is_from_tables : {false, true}) {
        if (is_from_tables) {
            const auto fragments = list_objects(*test.storage, "index/").value();
            for (const ObjectInfo& info : fragments) ASSERT_TRUE(test.storage->remove(info.name).ok());
        }
        test.open();
        EXPECT_EQ(test.check().problem_count, 0u);
        ASSERT_TRUE(test.repository->find_unindexed().ok());
        test.repository->index().value()->exclude(original.container.header.object);
        for (const ChunkRange& part : parts)
            EXPECT_TRUE(test.repository->chunks().value()
                            ->read_part(original.location.id, ChunkPurpose::data, part).ok())
                << part.offset;
    }
}

// What prune has taken out of a chunk comes back with the next backup: neither the chunk's id nor what the
// cache remembers of its members counts as having it.
TEST(PruneTest, WhatIsAbsentIsStoredAgain) {
    for (const bool has_cache : {false, true}) {
        const TemporaryDirectory directory;
        TestRepository test(has_cache ? directory.path() : "");
        const ModelNode before = small_files(1);
        ModelNode after = before;
        const ModelNode other = small_files(2);
        for (int i = 0; i < 40; i += 2) {
            const std::string name = "file" + std::to_string(i);
            after.children[name] = other.children.at(name);
        }
        const auto back_up = [&](const ModelNode& tree) {
            ModelSource source(tree);
            return test.backup(source, BackupType::full).point;
        };
        const RestorePointId first = back_up(before);
        Expected expected{{back_up(after), after}};
        PruneOptions options;
        options.removing = {first};
        options.max_dead_percent = 0;
        prune(test, options);
        ASSERT_EQ(wrong_with(test, expected), "");
        expected.emplace(back_up(before), before);
        test.open();
        ASSERT_EQ(wrong_with(test, expected), "");
        options.removing.clear();
        prune(test, options);
        ASSERT_EQ(wrong_with(test, expected), "");
    }
}

}  // namespace
}  // namespace holdfast
