// Restore points that nobody can take away for a time.
#include <gtest/gtest.h>

#include <random>

#include "repository/lock_check.h"
#include "repository/lock_notes.h"
#include "repository/locks.h"
#include "repository/prune.h"
#include "support/model_backup.h"
#include "support/temporary_directory.h"

namespace holdfast {
namespace {

constexpr TimeNs day = 86'400 * ns_per_second;
constexpr TimeNs period = 30 * day, generation = 10 * day;

WriterIdentity tester() { return {"host", "machine", "boot", 1, 1}; }

class LocksTest : public testing::Test {
  protected:
    void back_up() {
        gardener_.change(tree_, 4);
        ModelSource source(tree_);
        test_.backup(source, BackupType::incremental);
        trees_[test_.latest().id] = tree_;
        made_[test_.latest().id] = test_.clock.now();
    }
    void back_up(const ModelNode& tree, const std::string& name, BackupType type) {
        ModelSource source(tree);
        BackupOptions options;
        options.host = "host";
        options.name = name;
        options.type = type;
        Progress progress;
        const auto report = run_backup(*test_.repository, source, options, progress, {});
        ASSERT_TRUE(report.ok()) << report.error().describe();
        made_[report->point] = test_.clock.now();
    }
    // A directory with some of these contents.
    ModelNode some_of(const std::vector<Bytes>& contents) {
        ModelNode root;
        root.metadata.type = EntryType::directory;
        root.metadata.mode = 0755;
        root.metadata.inode = 1;
        root.metadata.mtime = root.metadata.ctime = test_.clock.now();
        for (int i = 0; i < 4; ++i) {
            const std::size_t number = dice_() % contents.size();
            ModelNode& file = root.children["file" + std::to_string(number)];
            file.metadata = root.metadata;
            file.metadata.type = EntryType::file;
            file.metadata.inode = 2 + number;
            file.metadata.mtime = file.metadata.ctime = epoch;
            file.content = contents[number];
            file.metadata.size = file.content.size();
        }
        return root;
    }
    // Each restore point of less than a period ago: everything that it needs stays until its period is over.
    void expect_protected() {
        RetentionLock& retention = *test_.storage->retention();
        ChunkReader* const chunks = test_.repository->chunks().value();
        Index* const index = test_.repository->index().value();
        const auto points = test_.repository->points(std::nullopt).value();
        for (const PointInfo& point : points) {
            const TimeNs until = made_.at(point.id) + period;
            if (until <= test_.clock.now()) continue;
            ChunkMarker marker(*index, *chunks, test_.repository->keyring());
            marker.on_mark = [&](const ChunkId& id, const ChunkRange& part) -> Status {
                HF_TRY(const LocatedChunk chunk, index->locate(id, part));
                HF_TRY(const auto locked, retention.locked_until(container_name(chunk.container)));
                EXPECT_TRUE(locked.has_value() && *locked >= until) << container_name(chunk.container);
                return {};
            };
            ASSERT_TRUE(marker.mark(point.record.root).ok());
            EXPECT_GE(retention.locked_until("config")->value(), until);
        }
    }
    Result<PruneReport> prune(std::set<RestorePointId> removing = {}) {
        test_.open();
        PruneOptions options;
        options.removing = std::move(removing);
        options.max_dead_percent = 0;
        Progress progress;
        auto report = run_prune(*test_.repository, options, tester(), progress, {});
        test_.open();
        return report;
    }

    const TemporaryDirectory cache_;
    TestRepository test_{cache_.path(), 61, nullptr,
                         {true, {LockRules::Mode::compliance, period, generation}}};
    Gardener gardener_{21, 600};
    std::mt19937_64 dice_{static_cast<std::uint64_t>(testing::UnitTest::GetInstance()->random_seed())};
    ModelNode tree_ = gardener_.plant();
    std::map<RestorePointId, ModelNode> trees_;
    std::map<RestorePointId, TimeNs> made_;
};

TEST_F(LocksTest, WhatEachPointNeedsStaysForItsPeriod) {
    for (int i = 0; i < 45; ++i) {
        back_up();
        expect_protected();
        test_.clock.advance(2 * day);
    }
}

// Content that comes back, or that another source has stored, is in objects that this source's last points do not need.
TEST_F(LocksTest, WhatPointsTakeOverFromOthersStaysAsLong) {
    std::vector<Bytes> contents(24);
    for (Bytes& content : contents) {
        content.resize(200'000);
        test_.random.fill(content);
    }
    const std::array types{BackupType::incremental, BackupType::incremental, BackupType::differential, BackupType::full};
    for (int i = 0; i < 90 && !HasFailure(); ++i) {
        const std::string name = "source" + std::to_string(dice_() % 3);
        back_up(some_of(contents), name, types[dice_() % types.size()]);
        expect_protected();
        test_.clock.advance(day + 3600 * ns_per_second);
        if (i % 7 == 0) test_.open();
    }
}

// As few requests as there are objects that the point needs and the cache does not know to be locked.
TEST_F(LocksTest, AnUnchangedSourceExtendsOnceAGeneration) {
    back_up();
    std::map<std::string, TimeNs> before;
    const auto extended = [&] {
        std::size_t count = 0;
        EXPECT_TRUE(test_.storage->list("", [&](const ObjectInfo& info) {
            const auto until = test_.storage->retention()->locked_until(info.name).value();
            if (until && before.contains(info.name) && before[info.name] != *until) ++count;
            if (until) before[info.name] = *until;
            return true;
        }).ok());
        return count;
    };
    extended();
    for (int i = 0; i < 3; ++i) {
        test_.clock.advance(2 * day);
        ModelSource source(tree_);
        test_.backup(source, BackupType::incremental);
        EXPECT_EQ(extended(), 0u);
    }
    test_.clock.advance(5 * day);
    ModelSource source(tree_);
    test_.backup(source, BackupType::incremental);
    EXPECT_GT(extended(), 0u);
}

// What two processes write of one source.
TEST(LockNotesTest, NothingIsSaidOfALaterTimeThanItWasLockedFor) {
    const TemporaryDirectory directory;
    const std::string path = directory.path() + "/locks/source";
    SeededRandom random(7);
    const auto point = [&random] { return RestorePointId::random(random); };
    const RestorePointId first = point(), second = point(), third = point();
    LockNotes notes = LockNotes::load(path, 0, 10 * day);
    notes.reset(9 * day);
    notes.add_point(first);
    notes.keep();
    LockNotes older = LockNotes::load(path, day, 10 * day), newer = older;
    EXPECT_TRUE(older.has_point(first));
    newer.reset(11 * day);
    newer.add_point(second);
    newer.keep();
    older.add_point(third);
    older.keep();
    const LockNotes now = LockNotes::load(path, 2 * day, 10 * day);
    EXPECT_TRUE(now.has_point(second));
    EXPECT_FALSE(now.has_point(third));
    // Due, and due later than can be.
    EXPECT_FALSE(LockNotes::load(path, 11 * day, 10 * day).has_point(second));
    EXPECT_FALSE(LockNotes::load(path, day / 2, 10 * day).has_point(second));
    // Torn.
    std::filesystem::resize_file(path, std::filesystem::file_size(path) - 3);
    EXPECT_FALSE(LockNotes::load(path, 2 * day, 10 * day).has_point(second));
}

TEST_F(LocksTest, ALostCacheExtendsOnceMoreAndNothingElse) {
    back_up();
    test_.clock.advance(5 * day);
    std::filesystem::remove_all(cache_.path());
    test_.open();
    back_up();
    expect_protected();
}

TEST_F(LocksTest, APruneTakesNothingThatIsLockedAndAllOfItLater) {
    back_up();
    const PointInfo first = test_.latest();
    back_up();
    const PruneReport refused = prune({first.id}).value();
    ASSERT_EQ(refused.plan.locked_points.size(), 1u);
    EXPECT_TRUE(refused.plan.removed_points.empty());
    EXPECT_EQ(refused.deleted_objects, 0u);
    EXPECT_EQ(test_.repository->points(std::nullopt)->size(), 2u);
    EXPECT_EQ(test_.check().problem_count, 0u);
    // Deleted, it is hidden, and comes back until its space is taken.
    ASSERT_TRUE(test_.repository->set_mark(first, MarkKind::deleted, "test").ok());
    EXPECT_EQ(prune()->plan.locked_points.size(), 1u);
    ASSERT_TRUE(test_.repository->clear_mark(first, MarkKind::deleted).ok());
    EXPECT_EQ(difference(*test_.repository, trees_.at(first.id), first.record.root, ""), "");
    test_.clock.advance(period + generation + day);
    const PruneReport report = prune({first.id}).value();
    EXPECT_EQ(report.plan.removed_points.size(), 1u);
    EXPECT_GT(report.deleted_objects, 0u);
    EXPECT_EQ(test_.repository->points(std::nullopt)->size(), 1u);
    EXPECT_EQ(test_.check().problem_count, 0u);
}

LockReport look(TestRepository& test) {
    Progress progress;
    return check_locks(*test.repository, progress, {}).value();
}

TEST_F(LocksTest, ACheckTellsWhatIsNotLocked) {
    back_up();
    const LockReport all = look(test_);
    EXPECT_EQ(all.unprotected_count, 0u);
    EXPECT_GT(all.objects, 4u);
    EXPECT_GE(*all.earliest, made_.begin()->second + period);
    // For less than promised, then not at all.
    test_.storage->retention()->lock_new(LockMode::compliance, period - day, is_lockable);
    back_up();
    const LockReport less = look(test_);
    EXPECT_GE(less.unprotected_count, 1u);
    EXPECT_TRUE(std::ranges::all_of(less.unprotected, [](const std::string& name) { return !name.starts_with("keys/"); }));
    // For that point, which is the newest, everything that it needs of the other one is locked.
    EXPECT_LT(less.unprotected_count, less.objects / 2 + 1);
    test_.clock.advance(period - 3600 * ns_per_second);
    EXPECT_EQ(look(test_).unprotected_count, less.unprotected_count);
}

TEST_F(LocksTest, WhatNoPromiseIsForIsNoProblem) {
    for (int i = 0; i < 45; ++i) {
        back_up();
        test_.clock.advance(day);
    }
    const LockReport daily = look(test_);
    EXPECT_EQ(daily.unprotected_count, 0u) << daily.unprotected.front();
    EXPECT_GT(daily.expired_objects, 0u);
    test_.clock.advance(period + generation + day);
    const LockReport over = look(test_);
    EXPECT_EQ(over.objects, 0u);
    EXPECT_EQ(over.unprotected_count, 0u);
    EXPECT_GT(over.expired_objects, daily.objects);
}

// A client does not extend what its incremental points need of older sessions; a prune of a reader does.
TEST_F(LocksTest, APruneExtendsForWriteOnlyClients) {
    KeySlotRecord slot;
    const SecretKey secret(test_.random.array<32>());
    slot.role = KeyRole::writer;
    slot.id = key_slot_id_of(secret, slot.type);
    const Keyring& keyring = test_.repository->keyring();
    lock_key_slot(slot, secret, keyring.full().writer_master, keyring.repository());
    certify_key_slot(slot, secret, keyring.epoch(), keyring.full().signing_key(), keyring.repository());
    ASSERT_TRUE(write_key_slot(*test_.storage, slot, keyring.repository(), test_.random).ok());
    ClientRecord known;
    known.id = slot.id;
    known.verify_key = slot.certificate->verify_key;
    ASSERT_TRUE(write_client(*test_.storage, keyring, known, test_.random).ok());
    const TemporaryDirectory client_cache;
    for (int i = 0; i < 12; ++i) {
        gardener_.change(tree_, 4);
        test_.clock.advance(5 * day);
        Unlock unlock;
        unlock.key_file = secret;
        auto storage = std::make_unique<HookedStorage>(test_.storage, [](std::string_view, const std::string&) { return ok_status(); });
        const auto client = Repository::open(std::move(storage), unlock, client_cache.path(), test_.clock, test_.random).value();
        ModelSource source(tree_);
        BackupOptions options;
        options.host = "host";
        options.name = "name";
        options.type = BackupType::incremental;
        Progress progress;
        ASSERT_TRUE(run_backup(*client, source, options, progress, {}).ok());
        const auto pruned = prune();
        ASSERT_TRUE(pruned.ok()) << pruned.error().describe();
        // Of the newest one.
        made_.clear();
        const auto points = test_.repository->points(std::nullopt).value();
        for (const PointInfo& point : points) made_[point.id] = 0;
        made_[test_.latest().id] = test_.clock.now();
        expect_protected();
    }
}

TEST_F(LocksTest, AStorageWithoutLocksIsRefused) {
    MemoryStorage plain;
    const auto made = Repository::init(plain, nullptr, std::nullopt, Repository::keep_nothing, test_.clock, test_.random,
                                       {true, {LockRules::Mode::compliance, period, generation}});
    ASSERT_FALSE(made.ok());
    EXPECT_EQ(made.error().code(), ErrorCode::unsupported);
}

}  // namespace
}  // namespace holdfast
