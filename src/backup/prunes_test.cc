// Several prunes beside each other, and what they leave behind.
#include <gtest/gtest.h>

#include "repository/leases.h"
#include "support/prune_race.h"

namespace holdfast {
namespace {

// A prune is suspended, and taken for dead by another one, which takes away what the first one has copied: there are
// two places of each chunk, and each prune may rely on the other's.
TEST(PrunesTest, APruneThatIsTakenForDeadTakesNothingThatIsNeeded) {
    // Nobody here knows whether it is dead.
    const WriterIdentity elsewhere{"elsewhere", "another machine", "a boot", 1, 1};
    using Step = std::pair<const char*, const char*>;
    for (const auto& [operation, folder] :
         {Step{"put", "index/"}, Step{"put", "tombstones/"}, Step{"remove", "tombstones/"}, Step{"remove", "data/"}}) {
        for (const unsigned dead_percent : {0u, 5u, 50u}) {
            SCOPED_TRACE(std::string(operation) + ' ' + folder + ' ' + std::to_string(dead_percent));
            Race race;
            race.tree = three_directories(epoch);
            for (const char* const name : {"needed", "garbage"}) {
                ModelNode& file = race.tree.children[name];
                file.metadata.inode = 9000 + race.tree.children.size();
                file.content = random_bytes(*name == 'n' ? std::size_t{5} << 20 : std::size_t{1} << 20);
                file.metadata.size = file.content.size();
            }
            race.test.backup(race.source, BackupType::incremental);
            race.tree.children.erase("garbage");
            race.test.open();
            const RestorePointId second = race.test.backup(race.source, BackupType::incremental).point;
            const OtherProcess other(race.test);
            const auto points = other.repository->points(std::nullopt).value();
            for (const PointInfo& point : points)
                if (point.id != second) (void)other.repository->set_mark(point, MarkKind::deleted, "test").ok();
            PruneOptions options;
            options.max_dead_percent = 0;
            StoppedPrune suspended(race.test, operation, folder, StoppedPrune::End::either, options, elsewhere);
            suspended.run_until_it_stops();
            options.max_dead_percent = dead_percent;
            for (int i = 0; i < 2; ++i) {
                race.test.clock.advance(24 * 3600 * ns_per_second);
                race.test.open();
                prune(race.test, options);
                EXPECT_EQ(wrong_with(race.test, {{second, race.tree}}), "");
            }
            suspended.go_on();
            for (int i = 0; i < 2; ++i) {
                race.test.open();
                EXPECT_EQ(wrong_with(race.test, {{second, race.tree}}), "");
                race.test.clock.advance(24 * 3600 * ns_per_second);
                prune(race.test);
            }
            race.test.open();
            EXPECT_EQ(wrong_with(race.test, {{second, race.tree}}), "");
            EXPECT_TRUE(list_objects(*race.test.storage, "tombstones/").value().empty());
        }
    }
}

// Two prunes at once, one of which sleeps before it condemns: each chunk stands in two packs, and each prune takes the other
// one's for the one that stays. The other is played here.
TEST(PrunesTest, APlaceThatIsNotMarkedStaysWhenTheMarkedOneIsCondemned) {
    Race race;
    race.tree = ModelNode{};
    race.tree.metadata.type = EntryType::directory;
    ModelNode& file = race.tree.children["file"];
    file.metadata.inode = 2;
    file.content = random_bytes(std::size_t{5} << 20);
    file.metadata.size = file.content.size();
    RestorePointId first{};
    InterruptedSource interrupted(race.source, [&] {
        const OtherProcess other(race.test);
        BackupOptions options;
        options.host = "host";
        options.name = "other";
        Progress progress;
        ModelSource source(race.tree);
        first = run_backup(*other.repository, source, options, progress, {}).value().point;
    });
    const RestorePointId second = race.test.backup(interrupted, BackupType::full).point;
    race.test.open();
    const auto packs = [&](Storage& storage) {
        std::set<std::string> names;
        const auto objects = list_objects(storage, "data/").value();
        for (const ObjectInfo& info : objects) names.insert(info.name);
        return names;
    };
    // What it would condemn: of a copy.
    const auto copy = std::make_shared<MemoryStorage>();
    const auto objects = list_objects(*race.test.storage, "").value();
    for (const ObjectInfo& info : objects)
        ASSERT_TRUE(copy->put(info.name, race.test.storage->get(info.name, 1u << 30).value(), Durability::immediate).ok());
    const std::set<std::string> before = packs(*copy);
    {
        const auto repository = Repository::open(
            std::make_unique<HookedStorage>(copy, [](std::string_view, const std::string&) { return ok_status(); }),
            race.test.unlock, "", race.test.clock, system_random()).value();
        Progress progress;
        ASSERT_TRUE(run_prune(*repository, {}, pruner, progress, {}).ok());
    }
    const std::set<std::string> left = packs(*copy);
    ASSERT_LT(left.size(), before.size());
    StoppedPrune prune(race.test, "put", "tombstones/");
    prune.run_until_it_stops();
    TombstoneRecord tombstone;
    for (const std::string& name : left) tombstone.objects.push_back(*ObjectId::from_hex(name.substr(name.size() - 32)));
    ASSERT_TRUE(put_tombstone(*OtherProcess(race.test).repository, tombstone).ok());
    for (const std::string& name : left) ASSERT_TRUE(race.test.storage->remove(name).ok());
    prune.go_on();
    race.test.open();
    const auto points = race.test.repository->points(std::nullopt).value();
    for (const PointInfo& point : points)
        EXPECT_EQ(difference(*race.test.repository, race.tree, point.record.root, ""), "") << (point.id == second);
    EXPECT_EQ(points.size(), 2u);
    for (int i = 0; i < 2; ++i) {
        OtherProcess other(race.test);
        ASSERT_TRUE(other.prune().ok());
        race.test.open();
        EXPECT_EQ(wrong_with(race.test, {{first, race.tree}, {second, race.tree}}), "");
    }
    EXPECT_TRUE(list_objects(*race.test.storage, "tombstones/").value().empty());
}

// Each prune beside a backup of days would leave a tombstone that repeats all earlier ones.
TEST(PrunesTest, PrunesBesideALongBackupLeaveOneTombstone) {
    Race race;
    race.test.backup(race.source, BackupType::incremental);
    InterruptedSource interrupted(race.source, [&] {
        race.remove_all();
        OtherProcess other(race.test);
        for (int i = 0; i < 5; ++i) EXPECT_GT(other.prune().value().waiting_bytes, 0u);
        EXPECT_EQ(list_objects(*race.test.storage, "tombstones/").value().size(), 1u);
    });
    const RestorePointId point = race.test.backup(interrupted, BackupType::incremental).point;
    race.test.open();
    EXPECT_EQ(wrong_with(race.test, {{point, race.tree}}), "");
}

// Of a repository of many terabytes.
TEST(PrunesTest, ATombstoneMayNameManyContainers) {
    Race race;
    TombstoneRecord tombstone;
    for (int i = 0; i < 200'000; ++i) tombstone.objects.push_back(ObjectId::random(race.test.random));
    tombstone.knows_sessions = true;
    ASSERT_TRUE(put_tombstone(*race.test.repository, tombstone).ok());
    const RestorePointId point = race.test.backup(race.source, BackupType::incremental).point;
    race.test.open();
    EXPECT_EQ(wrong_with(race.test, {{point, race.tree}}), "");
    prune(race.test);
    EXPECT_TRUE(list_objects(*race.test.storage, "tombstones/").value().empty());
}

// A prune that dies when it has removed a point leaves its marks.
TEST(PrunesTest, MarksOfPointsThatAreGoneGo) {
    Race race;
    const PointInfo gone = [&] {
        race.test.backup(race.source, BackupType::incremental);
        return race.test.latest();
    }();
    for (const MarkKind kind : {MarkKind::deleted, MarkKind::verified})
        ASSERT_TRUE(race.test.repository->set_mark(gone, kind, "test").ok());
    ASSERT_TRUE(race.test.storage->remove(point_name({gone.source, gone.inverted_time, gone.id})).ok());
    race.test.open();
    race.test.backup(race.source, BackupType::full);
    const PointInfo held = race.test.latest();
    ASSERT_TRUE(race.test.repository->set_mark(held, MarkKind::held, "test").ok());
    prune(race.test);
    EXPECT_EQ(list_objects(*race.test.storage, "marks/").value().size(), 1u);
}

// A machine that never comes back: its lease would keep the tombstones of every prune.
TEST(PrunesTest, AMachineThatNeverComesBackIsForgotten) {
    constexpr TimeNs day = TimeNs{24} * 3600 * ns_per_second;
    Race race;
    race.test.backup(race.source, BackupType::incremental);
    race.test.open();
    const WriterIdentity elsewhere{"elsewhere", "another machine", "a boot", 1, 1};
    ASSERT_TRUE(Lease::take(*race.test.repository, elsewhere).ok());
    const RestorePointId point = race.test.backup(race.source, BackupType::full).point;
    race.test.open();
    const auto count = [&](const char* folder) { return list_objects(*race.test.storage, folder).value().size(); };
    {
        const OtherProcess other(race.test);
        const auto points = other.repository->points(std::nullopt).value();
        for (const PointInfo& old : points)
            if (old.id != point) (void)other.repository->set_mark(old, MarkKind::deleted, "test").ok();
    }
    EXPECT_GT(prune(race.test).waiting_bytes, 0u);
    race.test.clock.advance(day);
    EXPECT_GT(prune(race.test).deleted_objects, 0u);
    EXPECT_EQ(count("fences/"), 1u);
    EXPECT_EQ(count("tombstones/"), 1u);
    // However many prunes there are meanwhile.
    for (int i = 0; i < 3; ++i) prune(race.test);
    EXPECT_EQ(count("tombstones/"), 1u);
    race.test.clock.advance(88 * day);
    prune(race.test);
    EXPECT_EQ(count("leases/"), 1u);
    race.test.clock.advance(2 * day);
    prune(race.test);
    EXPECT_EQ(count("leases/"), 0u);
    EXPECT_EQ(count("tombstones/"), 0u);
    prune(race.test);
    EXPECT_EQ(count("fences/"), 0u);
    EXPECT_EQ(wrong_with(race.test, {{point, race.tree}}), "");
}

// It comes back after all, before one of its requests: it finds that it was forgotten, and nothing that it says is
// believed.
TEST(PrunesTest, ABackupThatWasForgottenIsNeverAcknowledged) {
    constexpr TimeNs day = TimeNs{24} * 3600 * ns_per_second;
    using Step = std::pair<const char*, const char*>;
    for (const auto& [operation, folder] : {Step{"commit", "data/"}, Step{"head", "leases/"}, Step{"put", "points/"},
                                            Step{"head", "fences/"}, Step{"put", "leases/"}}) {
        SCOPED_TRACE(std::string(operation) + ' ' + folder);
        Race race;
        race.tree = three_directories(epoch);
        ModelNode& large = race.tree.children["large"];
        large.metadata.inode = 9999;
        large.content = random_bytes(std::size_t{5} << 20);
        large.metadata.size = large.content.size();
        race.test.backup(race.source, BackupType::incremental);
        race.test.open();
        large.content = random_bytes(std::size_t{5} << 20);
        large.metadata.mtime += ns_per_second;
        large.metadata.ctime += ns_per_second;
        bool is_awake = true, has_lease = false;
        race.test.hook = [&](std::string_view asked, const std::string& name) -> Status {
            // The first lease is taken, not renewed.
            if (asked == "put" && name.starts_with("leases/") && !std::exchange(has_lease, true)) return {};
            if (!has_lease || asked != operation || !name.starts_with(folder) || !std::exchange(is_awake, false)) return {};
            race.remove_all();
            for (const TimeNs time : {day, 91 * day, day, day}) {
                race.test.clock.advance(time);
                EXPECT_TRUE(OtherProcess(race.test).prune().ok());
            }
            EXPECT_TRUE(list_objects(*race.test.storage, "leases/").value().empty());
            EXPECT_TRUE(list_objects(*race.test.storage, "fences/").value().empty());
            EXPECT_TRUE(list_objects(*race.test.storage, "tombstones/").value().empty());
            return {};
        };
        InterruptedSource source(race.source, [&] {
            // So that it is renewed.
            if (folder == std::string("leases/") && operation == std::string("put")) race.test.clock.advance(700 * ns_per_second);
        });
        const auto report = race.test.try_backup(source, BackupType::incremental);
        race.test.hook = {};
        ASSERT_FALSE(is_awake);
        ASSERT_FALSE(report.ok());
        EXPECT_EQ(report.error().code(), ErrorCode::conflict) << report.error().describe();
        // The next backup relies on nothing of it.
        race.test.open();
        const BackupReport next = race.test.backup(race.source, BackupType::incremental);
        EXPECT_EQ(next.type, BackupType::full);
        for (int i = 0; i < 4; ++i) {
            EXPECT_EQ(wrong_with(race.test, {{next.point, race.tree}}), "");
            race.test.clock.advance(46 * day);
            prune(race.test);
            race.test.open();
        }
        // Its own point stays where the next backup has stored again what it lacked.
        EXPECT_LE(race.test.repository->points(std::nullopt).value().size(), 2u);
        EXPECT_TRUE(list_objects(*race.test.storage, "fences/").value().empty());
    }
}

}  // namespace
}  // namespace holdfast
