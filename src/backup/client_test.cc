// Backups by a write-only client, which reads nothing back but what it kept the keys of.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <thread>

#include "repository/client_state.h"
#include "repository/marks.h"
#include "repository/prune.h"
#include "support/model_backup.h"
#include "support/temporary_directory.h"

namespace holdfast {
namespace {

WriterIdentity tester() { return {"host", "machine", "boot", 1, 1}; }

class Client : public testing::Test {
  protected:
    void SetUp() override {
        KeySlotRecord slot;
        secret_ = SecretKey(test_.random.array<32>());
        slot.role = KeyRole::writer;
        slot.id = key_slot_id_of(secret_, slot.type);
        const Keyring& keyring = test_.repository->keyring();
        lock_key_slot(slot, secret_, keyring.full().writer_master, keyring.repository());
        certify_key_slot(slot, secret_, keyring.epoch(), keyring.full().signing_key(), keyring.repository());
        ASSERT_TRUE(write_key_slot(*test_.storage, slot, keyring.repository(), test_.random).ok());
        ClientRecord known;
        known.id = slot.id;
        known.verify_key = slot.certificate->verify_key;
        ASSERT_TRUE(write_client(*test_.storage, keyring, known, test_.random).ok());
    }

    std::unique_ptr<Repository> open() {
        Unlock unlock;
        unlock.key_file = secret_;
        auto storage = std::make_unique<HookedStorage>(test_.storage, [this](std::string_view what, const std::string& name) {
            return hook ? hook(what, name) : ok_status();
        });
        return Repository::open(std::move(storage), unlock, cache_.path(), test_.clock, test_.random).value();
    }
    Result<BackupReport> try_back_up(const ModelNode& tree, BackupType type = BackupType::incremental) {
        test_.clock.advance(60 * ns_per_second);
        const auto repository = open();
        ModelSource source(tree);
        BackupOptions options;
        options.host = "host";
        options.name = "name";
        options.type = type;
        options.threads = 1;
        Progress progress;
        return run_backup(*repository, source, options, progress, {});
    }
    // And a reader finds it whole.
    BackupReport back_up(const ModelNode& tree, BackupType type = BackupType::incremental) {
        auto report = try_back_up(tree, type);
        EXPECT_TRUE(report.ok()) << report.error().describe();
        expect_whole(report->point, tree);
        return *report;
    }
    void expect_whole(const RestorePointId& id, const ModelNode& tree) {
        test_.open();
        bool found = false;
        const auto points = test_.repository->points(std::nullopt).value();
        for (const PointInfo& point : points) {
            if (point.id != id) continue;
            EXPECT_FALSE(point.is_damaged) << point.damage->describe();
            EXPECT_EQ(difference(*test_.repository, tree, point.record.root, ""), "");
            found = true;
        }
        EXPECT_TRUE(found);
        EXPECT_EQ(test_.check().problem_count, 0u);
    }
    void prune(const std::set<RestorePointId>& removing, unsigned max_dead_percent = 0) {
        test_.open();
        test_.clock.advance(60 * ns_per_second);
        PruneOptions options;
        options.removing = removing;
        options.max_dead_percent = max_dead_percent;
        Progress progress;
        const auto pruned = run_prune(*test_.repository, options, tester(), progress, {});
        EXPECT_TRUE(pruned.ok()) << pruned.error().describe();
    }

    TestRepository test_{"", 5};
    TemporaryDirectory cache_;
    SecretKey secret_;
    std::function<Status(std::string_view, const std::string&)> hook;
};

TEST_F(Client, BacksUpWhatChanged) {
    Gardener gardener(11, 60);
    ModelNode tree = gardener.plant();
    const BackupReport first = back_up(tree);
    EXPECT_EQ(first.type, BackupType::full);
    const BackupReport unchanged = back_up(tree);
    EXPECT_EQ(unchanged.type, BackupType::incremental);
    EXPECT_EQ(unchanged.stats.read_bytes, 0u);
    for (int i = 0; i < 40; ++i) {
        gardener.change(tree, 5);
        const BackupReport changed = back_up(tree);
        EXPECT_EQ(changed.type, BackupType::incremental);
        EXPECT_LT(changed.stats.read_bytes, changed.stats.content_bytes);
    }
    // Few files are kept of so many sessions.
    std::size_t files = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(cache_.path()))
        if (entry.path().native().ends_with(".fragment")) ++files;
    EXPECT_LE(files, 40u);
    EXPECT_GT(files, 0u);
}

TEST_F(Client, ALostCacheCostsAFullReadAndNothingElse) {
    Gardener gardener(12, 60);
    ModelNode tree = gardener.plant();
    back_up(tree);
    gardener.change(tree, 10);
    std::filesystem::remove_all(cache_.path());
    const BackupReport again = back_up(tree);
    EXPECT_EQ(again.type, BackupType::full);
    EXPECT_GE(again.stats.read_bytes, again.stats.content_bytes / 2);
    gardener.change(tree, 10);
    EXPECT_EQ(back_up(tree).type, BackupType::incremental);
}

TEST_F(Client, ADamagedCacheIsALostOne) {
    Gardener gardener(13, 60);
    ModelNode tree = gardener.plant();
    std::mt19937_64 random(13);
    for (int round = 0; round < 30; ++round) {
        back_up(tree);
        gardener.change(tree, 10);
        for (const auto& entry : std::filesystem::recursive_directory_iterator(cache_.path())) {
            if (!entry.is_regular_file() || random() % 2 == 0) continue;
            const auto size = std::filesystem::file_size(entry.path());
            if (random() % 3 == 0) {
                std::filesystem::resize_file(entry.path(), size - std::min<std::uintmax_t>(size, random() % 100));
                continue;
            }
            std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
            file.seekp(static_cast<std::streamoff>(random() % (size + 1)));
            file << "damage";
        }
    }
}

// Prune takes points of the client, writes containers anew and removes others.
TEST_F(Client, GoesOnWhateverAPruneTakesAndMoves) {
    for (std::uint64_t seed = 1; seed <= 6; ++seed) {
        SCOPED_TRACE(seed);
        Gardener gardener(seed, 60);
        ModelNode tree = gardener.plant();
        std::vector<RestorePointId> points;
        std::size_t incremental = 0;
        for (int i = 0; i < 12; ++i) {
            const BackupReport report = back_up(tree);
            incremental += report.type == BackupType::incremental ? 1 : 0;
            points.push_back(report.point);
            gardener.change(tree, 15);
            if (i % 3 != 2) continue;
            prune({points[points.size() - 2], points[points.size() - 3]}, seed % 2 == 0 ? 0 : 20);
            // What is left restores, as others still refer to what goes.
            expect_whole(back_up(tree).point, tree);
        }
        EXPECT_GT(incremental, 0u);
    }
}

TEST_F(Client, RestsOnNothingThatIsCondemned) {
    Gardener gardener(15, 60);
    ModelNode tree = gardener.plant();
    const BackupReport first = back_up(tree);
    // As if a prune waited for another session: all containers of the client are condemned, but are still there.
    TombstoneRecord tombstone;
    const auto objects = list_objects(*test_.storage, "").value();
    for (const ObjectInfo& info : objects)
        if (info.name.starts_with("data/") || info.name.starts_with("meta/") || info.name.starts_with("points/"))
            tombstone.objects.push_back(*ObjectId::from_hex(info.name.substr(info.name.size() - 32)));
    PointInfo point;
    point.id = first.point;
    ASSERT_TRUE(test_.repository->set_mark(point, MarkKind::deleted, "test").ok());
    ASSERT_TRUE(put_tombstone(*test_.repository, tombstone).ok());
    const BackupReport again = try_back_up(tree).value();
    EXPECT_EQ(again.type, BackupType::full);
    EXPECT_GT(again.stored_bytes, first.stored_bytes * 9 / 10);
    prune({});
    expect_whole(again.point, tree);
}

// A parent that it cannot read would have each run begin anew.
TEST_F(Client, ForgetsAPointForGood) {
    const ModelNode tree = Gardener(19, 20).plant();
    const RestorePointId point = back_up(tree).point;
    const SourceId source = test_.repository->keyring().source_id("host", "name");
    ASSERT_EQ(open()->own_points(source).value().size(), 1u);
    open()->forget_own_point(point);
    EXPECT_TRUE(open()->own_points(source).value().empty());
    EXPECT_EQ(back_up(tree).type, BackupType::full);
    EXPECT_EQ(back_up(tree).type, BackupType::incremental);
}

// Two runs of one client at once: what one keeps is not lost by the other.
TEST(ClientStateTest, TwoRunsKeepWhatBothHaveStored) {
    const TemporaryDirectory directory;
    constexpr int runs = 2, rounds = 100, keys = 5;
    std::vector<ObjectId> ids(runs * rounds * keys);
    for (ObjectId& id : ids) id = ObjectId::random(system_random());
    const SecretKey key(system_random().array<32>());
    {
        std::vector<std::jthread> threads;
        for (int run = 0; run < runs; ++run)
            threads.emplace_back([&, run] {
                const auto state = ClientState::open(directory.path() + "/client");
                for (int i = 0; i < rounds * keys; ++i) {
                    state->add_key(ids[static_cast<std::size_t>(run * rounds * keys + i)], key);
                    if (i % keys != keys - 1) continue;
                    EXPECT_TRUE(state->save().ok());
                }
            });
    }
    const auto state = ClientState::open(directory.path() + "/client");
    for (const ObjectId& id : ids) {
        const auto kept = state->key(id);
        ASSERT_TRUE(kept);
        EXPECT_TRUE(std::ranges::equal(kept->bytes(), key.bytes()));
    }
}

// Its lease would be waited for until it expires, and tombstones for as long as it is there.
TEST_F(Client, EndsItsSessionsThatHaveDied) {
    const ModelNode tree = Gardener(17, 20).plant();
    const auto count = [&](const char* folder) { return list_objects(*test_.storage, folder).value().size(); };
    WriterIdentity dead = this_process("host");
    dead.boot_id = "another boot";
    ASSERT_TRUE(Lease::take(*open(), dead).ok());
    WriterIdentity elsewhere = dead;
    elsewhere.machine_id = "another machine";
    Lease alive = Lease::take(*open(), elsewhere).value();
    ASSERT_EQ(count("leases/"), 2u);
    back_up(tree);
    EXPECT_EQ(count("leases/"), 1u);
    const auto files = [&] {
        std::size_t found = 0;
        for (const auto& entry : std::filesystem::recursive_directory_iterator(cache_.path()))
            if (entry.path().native().ends_with(".session")) ++found;
        return found;
    };
    EXPECT_EQ(files(), 1u);
    // A torn note is none.
    for (const auto& entry : std::filesystem::recursive_directory_iterator(cache_.path()))
        if (entry.path().native().ends_with(".session")) std::filesystem::resize_file(entry.path(), 5);
    back_up(tree);
    EXPECT_EQ(count("leases/"), 1u);
    EXPECT_EQ(files(), 0u);
}

// What it has copied is believed more than what the client says, and nothing names it yet.
TEST_F(Client, APruneThatDiedIsNoDamage) {
    ModelNode tree = Gardener(18, 60).plant();
    for (const char* const name : {"garbage", "needed"}) {
        ModelNode& file = tree.children[name];
        file.metadata.inode = 9000 + tree.children.size();
        file.content = random_bytes(std::size_t{2} << 20);
        file.metadata.size = file.content.size();
    }
    const BackupReport first = back_up(tree);
    tree.children.erase("garbage");
    const BackupReport second = back_up(tree);
    test_.open();
    test_.hook = [](std::string_view operation, const std::string& name) -> Status {
        if (operation != "put" || !name.starts_with("index/")) return {};
        return Error(ErrorCode::unavailable, "killed");
    };
    PruneOptions options;
    options.removing = {first.point};
    options.max_dead_percent = 0;
    Progress progress;
    const auto pruned = run_prune(*test_.repository, options, tester(), progress, {});
    ASSERT_FALSE(pruned.ok());
    EXPECT_EQ(pruned.error().code(), ErrorCode::unavailable);
    test_.hook = {};
    expect_whole(second.point, tree);
}

TEST_F(Client, CanReadNothingButWhatItKept) {
    ModelNode tree = Gardener(16, 60).plant();
    ModelNode large;
    large.metadata.mode = 0644;
    large.metadata.inode = 4711;
    large.content.resize(5u << 20);
    test_.random.fill(large.content);
    large.metadata.size = large.content.size();
    tree.children["zz large"] = large;
    back_up(tree);
    const auto repository = open();
    EXPECT_EQ(repository->points(std::nullopt).error().code(), ErrorCode::permission_denied);
    // Not even its own contents.
    const auto objects = list_objects(*test_.storage, "data/").value();
    ASSERT_FALSE(objects.empty());
    for (const ObjectInfo& info : objects)
        EXPECT_EQ(read_object_end(*test_.storage, repository->keyring(), info.name, info.bytes, ObjectKind::data_pack)
                      .error()
                      .code(),
                  ErrorCode::permission_denied);
    // Nor what another one has stored.
    const BackupReport other = [&] {
        ModelSource source(tree);
        test_.open();
        return test_.backup(source, BackupType::full);
    }();
    const auto points = list_objects(*test_.storage, "points/").value();
    std::size_t foreign = 0;
    for (const ObjectInfo& info : points) {
        if (!info.name.ends_with(other.point.hex())) continue;
        ++foreign;
        EXPECT_EQ(read_object_end(*test_.storage, open()->keyring(), info.name, info.bytes, ObjectKind::restore_point)
                      .error()
                      .code(),
                  ErrorCode::permission_denied);
    }
    EXPECT_EQ(foreign, 1u);
}

}  // namespace
}  // namespace holdfast
