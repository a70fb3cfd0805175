// A prune beside backups and other prunes.
#include <gtest/gtest.h>

#include <algorithm>

#include "repository/leases.h"
#include "repository/thinning.h"
#include "repository/write_session.h"
#include "support/prune_race.h"

namespace holdfast {
namespace {

TEST(PruneRaceTest, ABackupThatRunsIsWaitedFor) {
    Race race;
    race.test.backup(race.source, BackupType::incremental);
    InterruptedSource interrupted(race.source, [&] {
        race.remove_all();
        OtherProcess other(race.test);
        const PruneReport report = other.prune().value();
        EXPECT_GT(report.waiting_bytes, 0u);
        EXPECT_EQ(report.waiting_for, std::vector<std::string>{"host"});
    });
    const BackupReport report = race.test.backup(interrupted, BackupType::incremental);
    race.test.open();
    EXPECT_EQ(wrong_with(race.test, {{report.point, race.tree}}), "");
    // Now nobody is waited for; what the second point refers to stays, in the first one's object as well,
    // which is then written anew.
    prune(race.test);
    EXPECT_EQ(wrong_with(race.test, {{report.point, race.tree}}), "");
    prune(race.test);
    EXPECT_EQ(wrong_with(race.test, {{report.point, race.tree}}), "");
    EXPECT_EQ(race.test.repository->points(std::nullopt).value().size(), 1u);
    EXPECT_TRUE(list_objects(*race.test.storage, "tombstones/").value().empty());
}

// What an earlier prune has condemned may go now, for the session that it waited for has ended. Its point is deleted,
// and waits itself for another session, which has taken it for its parent.
TEST(PruneRaceTest, WhatAWaitingPointRefersToStaysAsLongAsIt) {
    Race race;
    race.test.backup(race.source, BackupType::incremental);
    const auto remove_and_prune = [&] {
        race.remove_all();
        OtherProcess other(race.test);
        EXPECT_GT(other.prune().value().waiting_bytes, 0u);
    };
    InterruptedSource first(race.source, remove_and_prune);
    race.test.backup(first, BackupType::incremental);
    race.test.open();
    InterruptedSource second(race.source, remove_and_prune);
    const BackupReport report = race.test.backup(second, BackupType::incremental);
    race.test.open();
    EXPECT_EQ(wrong_with(race.test, {{report.point, race.tree}}), "");
    for (int i = 0; i < 3; ++i) prune(race.test);
    EXPECT_EQ(wrong_with(race.test, {{report.point, race.tree}}), "");
    EXPECT_TRUE(list_objects(*race.test.storage, "tombstones/").value().empty());
}

// A suspended writer: its lease is held for expired, and what it relies on is deleted.
TEST(PruneRaceTest, ABackupThatIsTakenForDeadIsNeverAcknowledgedHalf) {
    Race race;
    race.test.backup(race.source, BackupType::incremental);
    InterruptedSource interrupted(race.source, [&] {
        race.remove_all();
        race.test.clock.advance(24 * 3600 * ns_per_second);
        OtherProcess other(race.test);
        EXPECT_GT(other.prune().value().deleted_objects, 0u);
    });
    const auto report = race.test.try_backup(interrupted, BackupType::incremental);
    ASSERT_FALSE(report.ok());
    EXPECT_EQ(report.error().code(), ErrorCode::conflict);
    // Its point is nobody's parent, and not the latest: the next backup is whole.
    race.test.open();
    const auto choose = [](const PointInfo& point) {
        return point.is_deleted ? Repository::Choice::next_point : Repository::Choice::take;
    };
    EXPECT_TRUE(race.test.repository->latest(std::nullopt, choose).value().empty());
    const BackupReport next = race.test.backup(race.source, BackupType::incremental);
    EXPECT_EQ(next.type, BackupType::full);
    const Entry root = race.test.latest().record.root;
    EXPECT_EQ(difference(*race.test.repository, race.tree, root, ""), "");
}

// A last look for the lease that fails says nothing about the point.
TEST(PruneRaceTest, ABackupOfWhichTheLastRequestFailsIsTheNextParent) {
    Race race;
    bool has_point = false;
    race.test.hook = [&](std::string_view operation, const std::string& name) -> Status {
        has_point = has_point || (operation == "put" && name.starts_with("points/"));
        if (!has_point || operation != "head" || !name.starts_with("leases/")) return {};
        return Error(ErrorCode::unavailable, "the network");
    };
    EXPECT_EQ(race.test.try_backup(race.source, BackupType::full).error().code(), ErrorCode::unavailable);
    race.test.hook = {};
    race.test.open();
    ASSERT_FALSE(race.test.latest().is_deleted);
    EXPECT_EQ(race.test.backup(race.source, BackupType::incremental).type, BackupType::incremental);
}

// A suspended writer again; the pruner has only condemned what it relies on: it stores it again.
TEST(PruneRaceTest, AFencedBackupStoresAgainWhatIsCondemned) {
    Race race;
    race.test.backup(race.source, BackupType::incremental);
    OtherProcess other(race.test);
    InterruptedSource interrupted(race.source, [&] {
        race.remove_all();
        race.test.clock.advance(24 * 3600 * ns_per_second);
        // The prune dies when it has fenced the writer, before it deletes anything.
        auto dying = std::make_unique<HookedStorage>(
            race.test.storage, [](std::string_view operation, const std::string& name) -> Status {
                const bool deletes = operation == "remove" && !name.starts_with("tombstones/") &&
                                     !name.starts_with("leases/");
                return deletes ? Status(Error(ErrorCode::unavailable, "killed")) : ok_status();
            });
        const auto repository =
            Repository::open(std::move(dying), race.test.unlock, "", race.test.clock, system_random())
                .value();
        Progress progress;
        EXPECT_FALSE(run_prune(*repository, {}, pruner, progress, {}).ok());
    });
    const BackupReport report = race.test.backup(interrupted, BackupType::incremental);
    race.test.open();
    EXPECT_EQ(wrong_with(race.test, {{report.point, race.tree}}), "");
    EXPECT_FALSE(race.test.latest().is_unverified);
    race.test.clock.advance(24 * 3600 * ns_per_second);
    prune(race.test);
    EXPECT_EQ(wrong_with(race.test, {{report.point, race.tree}}), "");
    race.test.backup(race.source, BackupType::incremental);
    EXPECT_EQ(wrong_with(race.test, {{report.point, race.tree}}), "");
}

// A lease is renewed, and a tombstone completed, by another object; who reads them at this moment finds one.
TEST(PruneRaceTest, WhatIsReplacedWhileItIsReadIsFound) {
    TestRepository test;
    const auto replace_when_read = [&](const std::string& folder) {
        bool is_first = true;
        test.hook = [&test, folder, is_first](std::string_view operation, const std::string& name) mutable -> Status {
            if (operation == "list" || operation == "remove" || !name.starts_with(folder) ||
                !std::exchange(is_first, false))
                return {};
            const Bytes object = test.storage->get(name, 1 << 20).value();
            const std::string other = name.substr(0, name.size() - 1) + (name.ends_with('7') ? '8' : '7');
            EXPECT_TRUE(test.storage->put(other, object, Durability::none).ok());
            return test.storage->remove(name);
        };
    };
    const WriterIdentity writer{"writer", "its machine", "its boot", 1, 1};
    ASSERT_TRUE(Lease::take(*test.repository, writer).ok());
    replace_when_read("leases/");
    EXPECT_EQ(list_leases(*test.repository).value().size(), 1u);
    test.hook = {};
    TombstoneRecord record;
    record.objects.push_back(ObjectId::random(test.random));
    ASSERT_TRUE(put_tombstone(*test.repository, record).ok());
    replace_when_read("tombstones/");
    EXPECT_EQ(read_tombstones(*test.repository).value().size(), 1u);
}

// A backup that begins when a prune has condemned and waits for nobody, while that prune ends.
TEST(PruneRaceTest, ABackupThatBeginsWhileAPruneEndsKnowsWhatIsGone) {
    for (const char* const moment : {"tombstones/", "index/"}) {
        Race race;
        race.test.backup(race.source, BackupType::incremental);
        race.remove_all();
        std::promise<void> has_condemned, may_delete;
        bool is_first_removal = true;
        auto storage = std::make_unique<HookedStorage>(
            race.test.storage, [&](std::string_view operation, const std::string& name) -> Status {
                if (operation != "remove" || !name.starts_with("points/") ||
                    !std::exchange(is_first_removal, false))
                    return {};
                has_condemned.set_value();
                may_delete.get_future().wait();
                return {};
            });
        const auto repository =
            Repository::open(std::move(storage), race.test.unlock, "", race.test.clock, system_random()).value();
        std::jthread prune([&] {
            Progress progress;
            EXPECT_TRUE(run_prune(*repository, {}, pruner, progress, {}).ok());
        });
        has_condemned.get_future().wait();
        bool is_first = true;
        race.test.hook = [&](std::string_view operation, const std::string& name) -> Status {
            if (operation != "list" || name != moment || !std::exchange(is_first, false)) return {};
            may_delete.set_value();
            prune.join();
            return {};
        };
        const BackupReport report = race.test.backup(race.source, BackupType::incremental);
        race.test.hook = {};
        race.test.open();
        EXPECT_EQ(wrong_with(race.test, {{report.point, race.tree}}), "") << moment;
    }
}

// What it relies on goes before its point is there: it finds the fence, and fails. Its point stays, for a fold
// may name it at any moment, and is nobody's damage.
TEST(PruneRaceTest, ABackupThatIsFencedBeforeItsCommitLeavesAPointThatNobodySees) {
    Race race;
    race.test.backup(race.source, BackupType::incremental);
    bool is_first = true;
    race.test.hook = [&](std::string_view operation, const std::string& name) -> Status {
        if (operation != "put" || !name.starts_with("points/") || !std::exchange(is_first, false)) return {};
        race.remove_all();
        race.test.clock.advance(24 * 3600 * ns_per_second);
        OtherProcess other(race.test);
        EXPECT_GT(other.prune().value().deleted_objects, 0u);
        return {};
    };
    const auto report = race.test.try_backup(race.source, BackupType::incremental);
    ASSERT_FALSE(report.ok());
    EXPECT_EQ(report.error().code(), ErrorCode::conflict);
    race.test.open();
    const auto points = race.test.repository->points(std::nullopt).value();
    ASSERT_EQ(points.size(), 1u);
    EXPECT_TRUE(points[0].is_unverified);
    EXPECT_EQ(race.test.check().problem_count, 0u);
    const BackupReport next = race.test.backup(race.source, BackupType::incremental);
    EXPECT_EQ(next.type, BackupType::full);
    EXPECT_EQ(wrong_with(race.test, {{next.point, race.tree}}), "");
}

// A session that has looked for a fence, found none, and is fenced before it ends, by a prune that may die
// then. Whoever marks the point as verified: it was there before the fence.
TEST(PruneRaceTest, ABackupThatIsFencedAfterItsCommitStays) {
    for (const bool dies : {false, true}) {
        Race race;
        race.test.backup(race.source, BackupType::incremental);
        race.remove_all();
        const auto storage_of_pruner = [&] {
            return std::make_unique<HookedStorage>(
                race.test.storage, [dies](std::string_view operation, const std::string& name) -> Status {
                    const bool verifies = operation == "put" && name.ends_with("/verified");
                    return dies && verifies ? Status(Error(ErrorCode::unavailable, "killed")) : ok_status();
                });
        };
        bool is_first = true;
        race.test.hook = [&](std::string_view operation, const std::string& name) -> Status {
            if (operation != "remove" || !name.starts_with("leases/") || !std::exchange(is_first, false))
                return {};
            race.test.clock.advance(24 * 3600 * ns_per_second);
            const auto repository = Repository::open(storage_of_pruner(), race.test.unlock, "",
                                                     race.test.clock, system_random()).value();
            Progress progress;
            EXPECT_EQ(run_prune(*repository, {}, pruner, progress, {}).ok(), !dies);
            return {};
        };
        race.gardener.change(race.tree, 15);
        const BackupReport report = race.test.backup(race.source, BackupType::incremental);
        race.test.hook = {};
        race.test.open();
        // One that dies while it verifies has not come to the fence.
        EXPECT_EQ(list_objects(*race.test.storage, "fences/").value().size(), dies ? 0u : 1u);
        EXPECT_FALSE(race.test.latest().is_unverified);
        for (int i = 0; i < 2; ++i) {
            prune(race.test);
            EXPECT_EQ(wrong_with(race.test, {{report.point, race.tree}}), "");
        }
    }
}

// A prune that dies when it has fenced the writers, before it deletes anything.
void die_after_fencing(TestRepository& test) {
    auto storage = std::make_unique<HookedStorage>(
        test.storage, [](std::string_view operation, const std::string& name) -> Status {
            const bool deletes = operation == "remove" && !name.starts_with("tombstones/") &&
                                 !name.starts_with("leases/");
            return deletes ? Status(Error(ErrorCode::unavailable, "killed")) : ok_status();
        });
    const auto repository =
        Repository::open(std::move(storage), test.unlock, "", test.clock, system_random()).value();
    Progress progress;
    EXPECT_FALSE(run_prune(*repository, {}, pruner, progress, {}).ok());
}

void remove_condemned_points(TestRepository& test) {
    const OtherProcess other(test);
    const auto tombstones = read_tombstones(*other.repository).value();
    const auto points = list_objects(*test.storage, "points/").value();
    for (const Tombstone& tombstone : tombstones)
        for (const ObjectId& id : tombstone.record.objects)
            for (const ObjectInfo& point : points)
                if (point.name.ends_with(id.hex())) (void)test.storage->remove(point.name).ok();
}

// A backup verifies its point, as a prune took it for dead; a second prune, that waits for no fenced session, begins
// when a node of the point is gone and not stored again yet: what is below it is not marked. The backup ends before
// the second prune condemns that, or when it has looked again and is about to delete.
TEST(PruneRaceTest, ASecondPruneTakesNothingOfAPointThatIsBeingVerified) {
    for (const bool has_condemned : {false, true}) {
        SCOPED_TRACE(has_condemned);
        Race race;
        race.tree = three_directories(epoch);
        const RestorePointId first = race.test.backup(race.source, BackupType::incremental).point;
        // The same contents, and other nodes.
        const ModelNode other_tree = three_directories(epoch + 1);
        ModelSource other_source(other_tree);
        const RestorePointId second = race.test.backup(other_source, BackupType::full).point;
        race.test.open();
        const auto set_deleted = [&](const RestorePointId& id) {
            PointInfo point;
            point.id = id;
            EXPECT_TRUE(OtherProcess(race.test).repository->set_mark(point, MarkKind::deleted, "test").ok());
        };
        StoppedPrune prune(race.test, has_condemned ? "remove" : "put", has_condemned ? "points/" : "tombstones/");
        int step = 0;
        race.test.hook = [&](std::string_view operation, const std::string& name) -> Status {
            if (step == 0 && operation == "put" && name.starts_with("points/")) {
                step = 1;
                set_deleted(first);
                race.test.clock.advance(24 * 3600 * ns_per_second);
                die_after_fencing(race.test);
            } else if (step == 1 && (name.starts_with("data/") || name.starts_with("meta/")) && operation != "list" &&
                       operation != "read") {
                step = 2;
                remove_condemned_points(race.test);
                set_deleted(second);
                prune.run_until_it_stops();
            }
            return {};
        };
        const auto report = race.test.try_backup(race.source, BackupType::incremental);
        race.test.hook = {};
        ASSERT_EQ(step, 2) << (report.ok() ? "" : report.error().describe());
        prune.go_on();
        ASSERT_TRUE(report.ok()) << report.error().describe();
        race.test.open();
        EXPECT_EQ(wrong_with(race.test, {{report->point, race.tree}}), "");
        EXPECT_FALSE(race.test.latest().is_unverified);
    }
}

// A point needs what an earlier prune has condemned; a session that goes on has stored it again, in a pack that no
// fragment names and that a crash of the machine takes away.
TEST(PruneRaceTest, WhatNoFragmentNamesIsNoOtherPlace) {
    Race race;
    race.tree = three_directories(epoch);
    ModelNode& large = race.tree.children["large"];
    large.metadata.inode = 9999;
    large.content = random_bytes(5u << 20);
    large.metadata.size = large.content.size();
    race.test.backup(race.source, BackupType::incremental);
    race.test.open();
    InterruptedSource interrupted(race.source, [&] {
        race.remove_all();
        EXPECT_GT(OtherProcess(race.test).prune().value().waiting_bytes, 0u);
    });
    const RestorePointId point = race.test.backup(interrupted, BackupType::incremental).point;
    std::set<std::string> not_durable;
    race.test.hook = [&](std::string_view operation, const std::string& name) -> Status {
        if (operation != "list" && name.starts_with("data/") && name.size() > 22) not_durable.insert(name);
        if (operation != "put" || !name.starts_with("index/")) return {};
        EXPECT_TRUE(OtherProcess(race.test).prune().ok());
        return Error(ErrorCode::unavailable, "the machine crashed");
    };
    race.test.open();
    EXPECT_FALSE(race.test.try_backup(race.source, BackupType::full).ok());
    race.test.hook = {};
    std::size_t lost = 0;
    const auto packs = list_objects(*race.test.storage, "data/").value();
    for (const ObjectInfo& pack : packs) {
        if (!not_durable.contains(pack.name)) continue;
        ASSERT_TRUE(race.test.storage->remove(pack.name).ok());
        ++lost;
    }
    EXPECT_GT(lost, 0u);
    race.test.open();
    EXPECT_EQ(wrong_with(race.test, {{point, race.tree}}), "");
}

// A long restore reads the index once; each of two prunes moves what it needs to another pack.
TEST(PruneRaceTest, AReaderThatHasBegunFindsWhatPrunesMove) {
    Race race;
    race.tree = ModelNode{};
    race.tree.metadata.type = EntryType::directory;
    // Each pack has some of each three.
    for (std::uint64_t inode = 10; inode < 34; ++inode) {
        ModelNode& file = race.tree.children["file" + std::to_string(inode)];
        file.metadata.inode = inode;
        file.content = random_bytes(512u << 10);
        file.metadata.size = file.content.size();
    }
    std::vector<RestorePointId> points;
    for (int i = 0; i < 3; ++i) {
        for (int file = 9 + i; i != 0 && file < 34; file += 3) race.tree.children.erase("file" + std::to_string(file));
        points.push_back(race.test.backup(race.source, BackupType::incremental).point);
    }
    race.test.open();
    const Entry root = race.test.latest().record.root;
    ASSERT_EQ(difference(*race.test.repository, race.tree, root, ""), "");
    for (std::size_t i = 0; i < 2; ++i) {
        PruneOptions options;
        options.removing = {points[i]};
        options.max_dead_percent = 0;
        OtherProcess other(race.test);
        Progress progress;
        EXPECT_GT(run_prune(*other.repository, options, pruner, progress, {}).value().plan.rewritten_objects, 0u);
        EXPECT_EQ(difference(*race.test.repository, race.tree, root, ""), "") << i;
    }
}

// A prune is about to fence a session when that looks for a fence for the last time, and dies with the fence: nobody has
// verified the point, and its backup was acknowledged.
TEST(PruneRaceTest, ABackupThatIsFencedWhenItIsOverStays) {
    Race race;
    race.test.backup(race.source, BackupType::incremental);
    race.test.open();
    race.remove_all();
    StoppedPrune dying(race.test, "put", "fences/", StoppedPrune::End::dies);
    bool is_first = true;
    race.test.hook = [&](std::string_view operation, const std::string& name) -> Status {
        // The pruner has seen the points, and this one is not there.
        if (operation != "put" || !name.starts_with("points/") || !std::exchange(is_first, false)) return {};
        race.test.clock.advance(24 * 3600 * ns_per_second);
        dying.run_until_it_stops();
        return {};
    };
    const BackupReport report = race.test.backup(race.source, BackupType::incremental);
    race.test.hook = {};
    dying.go_on();
    ASSERT_EQ(list_objects(*race.test.storage, "fences/").value().size(), 1u);
    race.test.clock.advance(24 * 3600 * ns_per_second);
    for (int i = 0; i < 3; ++i) {
        race.test.open();
        prune(race.test);
        EXPECT_EQ(wrong_with(race.test, {{report.point, race.tree}}), "");
    }
    EXPECT_TRUE(list_objects(*race.test.storage, "tombstones/").value().empty());
}

// It adopts what a dead session has left, while a prune that takes it for dead takes that away.
TEST(PruneRaceTest, ABackupThatIsFencedWhileItAdoptsSaysSo) {
    Race race;
    WriterIdentity dead = this_process("host");
    ++dead.process_started;
    auto left = WriteSession::begin(*race.test.repository, dead).value();
    Compressor compressor(CompressionLevel::standard);
    const Bytes content(100'000, 7);
    const ChunkId id{keyed_hash(race.test.repository->keyring().id_key(), content).bytes};
    ASSERT_TRUE(left->append(encode_chunk(id, ChunkPurpose::data, {}, content, 0, compressor, MatchTables::usual)).ok());
    ASSERT_TRUE(left->store().ok());
    const std::vector<ObjectInfo> fragments = list_objects(*race.test.storage, "index/").value();
    for (const ObjectInfo& fragment : fragments) ASSERT_TRUE(race.test.storage->remove(fragment.name).ok());
    race.test.open();
    const OtherProcess other(race.test);
    SessionId session{};
    race.test.hook = [&](std::string_view operation, const std::string& name) -> Status {
        if (operation == "put" && name.starts_with("leases/")) session = *SessionId::from_hex(std::string_view(name).substr(7, 16));
        if (operation != "adopt" || !name.starts_with("data/")) return {};
        EXPECT_TRUE(put_fence(*other.repository, session).value());
        return race.test.storage->remove(name);
    };
    const auto report = race.test.try_backup(race.source, BackupType::incremental);
    race.test.hook = {};
    ASSERT_FALSE(report.ok());
    EXPECT_EQ(report.error().code(), ErrorCode::conflict) << report.error().describe();
    race.test.backup(race.source, BackupType::incremental);
}

// A fold that names a point again which a prune is taking away would have it named for ever.
TEST(PruneRaceTest, AFoldLeavesAPointAloneThatIsCondemned) {
    TestRepository test("", 21);
    ModelNode tree = Gardener(21, 3).plant();
    ModelSource source(tree);
    // Which points the folds of a tier name.
    const auto named_in = [&](std::uint8_t tier) {
        test.open();
        std::set<RestorePointId> named;
        const auto fragments = test.repository->index().value()->fragments();
        for (const auto& fragment : fragments)
            if (fragment->record().tier == tier)
                for (const FoldedPoint& point : fragment->record().points) named.insert(point.id);
        return named;
    };
    for (int i = 0; i < 16 * 14; ++i) test.backup(source, BackupType::incremental);
    const std::set<RestorePointId> first = named_in(1);
    ASSERT_GT(first.size(), 100u);
    ASSERT_TRUE(named_in(2).empty());
    std::set<ObjectId> containers = test.repository->index().value()->containers();
    const auto condemned = std::ranges::find_if(first, [&](const RestorePointId& id) { return !containers.contains(id); });
    ASSERT_NE(condemned, first.end());
    TombstoneRecord tombstone;
    tombstone.objects = {*condemned};
    ASSERT_TRUE(put_tombstone(*test.repository, tombstone).ok());
    for (int i = 0; i < 16 * 5; ++i) test.backup(source, BackupType::incremental);
    EXPECT_GT(named_in(2).size(), 100u);
    EXPECT_FALSE(named_in(2).contains(*condemned));
    EXPECT_TRUE(named_in(1).contains(*condemned));
}

}  // namespace
}  // namespace holdfast
