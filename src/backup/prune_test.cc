// Properties of prune: with backups before, beside and after it.
#include "repository/prune.h"

#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "repository/thinning.h"
#include "repository/write_session.h"
#include "support/model_backup.h"
#include "support/temporary_directory.h"

namespace holdfast {
namespace {

const WriterIdentity pruner{"pruner", "a machine", "a boot", 1, 1};

Result<PruneReport> try_prune(TestRepository& test, PruneOptions options = {}) {
    Progress progress;
    return run_prune(*test.repository, options, pruner, progress, {});
}

PruneReport prune(TestRepository& test, PruneOptions options = {}) {
    auto report = try_prune(test, std::move(options));
    if (!report.ok()) throw std::runtime_error(report.error().describe());
    return *report;
}

// What each restore point must be.
using Expected = std::map<RestorePointId, ModelNode>;

// The first thing that is wrong, or nothing.
std::string wrong_with(TestRepository& test, const Expected& expected) {
    const auto points = test.repository->points(std::nullopt).value();
    std::size_t seen = 0;
    for (const PointInfo& point : points) {
        const auto found = expected.find(point.id);
        if (found == expected.end()) continue;
        ++seen;
        const std::string what = difference(*test.repository, found->second, point.record.root, "");
        if (!what.empty()) return point.id.hex().substr(0, 8) + what;
    }
    if (seen != expected.size()) return "restore points are missing";
    const CheckReport check = test.check();
    return check.problem_count == 0 ? "" : check.problems.front();
}

void remove_one(TestRepository& test, Expected& expected, std::uint64_t which) {
    const auto points = test.repository->points(std::nullopt).value();
    auto it = expected.begin();
    std::advance(it, static_cast<std::ptrdiff_t>(which % expected.size()));
    for (const PointInfo& point : points)
        if (point.id == it->first)
            (void)test.repository->set_mark(point, MarkKind::deleted, "test").ok();
    expected.erase(it);
}

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

// A source during whose walk something else happens.
class InterruptedSource final : public Source {
  public:
    InterruptedSource(Source& source, std::function<void()> event)
        : source_(source), event_(std::move(event)) {}
    Result<std::unique_ptr<SourceStream>> walk() override {
        HF_TRY(auto stream, source_.walk());
        return std::unique_ptr<SourceStream>(
            std::make_unique<Stream>(std::move(stream), std::exchange(event_, nullptr)));
    }
    Result<std::unique_ptr<SourceFile>> open(const SourceEvent& event) override {
        return source_.open(event);
    }
    Status complete(const SourceEvent& event, Metadata& metadata) override {
        return source_.complete(event, metadata);
    }

  private:
    struct Stream final : SourceStream {
        Stream(std::unique_ptr<SourceStream> s, std::function<void()> e)
            : stream(std::move(s)), event(std::move(e)) {}
        std::unique_ptr<SourceStream> stream;
        std::function<void()> event;
        Status next(std::vector<SourceEvent>& batch) override {
            if (event) std::exchange(event, nullptr)();
            return stream->next(batch);
        }
    };
    Source& source_;
    std::function<void()> event_;
};

// A second process at the same storage.
struct OtherProcess {
    TestRepository& test;
    std::unique_ptr<Repository> repository;

    explicit OtherProcess(TestRepository& of)
        : test(of),
          repository(Repository::open(std::make_unique<HookedStorage>(
                                          of.storage, [](std::string_view, const std::string&) {
                                              return ok_status();
                                          }),
                                      of.unlock, "", of.clock, system_random())
                         .value()) {}
    Result<PruneReport> prune() {
        Progress progress;
        return run_prune(*repository, {}, pruner, progress, {});
    }
};

struct Race {
    TestRepository test;
    Gardener gardener{7, 200};
    ModelNode tree = gardener.plant();
    ModelSource source{tree};
    Expected expected;

    // The only point is deleted while the next backup, which has taken it for its parent, walks.
    void remove_all() {
        const OtherProcess other(test);
        const auto points = other.repository->points(std::nullopt).value();
        for (const PointInfo& point : points)
            ASSERT_TRUE(other.repository->set_mark(point, MarkKind::deleted, "test").ok());
    }
};

TEST(PruneTest, ABackupThatRunsIsWaitedFor) {
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
TEST(PruneTest, WhatAWaitingPointRefersToStaysAsLongAsIt) {
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

// A suspended writer: its lease is held for expired, and what it relies on is deleted.
TEST(PruneTest, ABackupThatIsTakenForDeadIsNeverAcknowledgedHalf) {
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
    // Its point is nobody's parent: the next backup is whole.
    race.test.open();
    const BackupReport next = race.test.backup(race.source, BackupType::incremental);
    EXPECT_EQ(next.type, BackupType::full);
    const Entry root = race.test.latest().record.root;
    EXPECT_EQ(difference(*race.test.repository, race.tree, root, ""), "");
}

// The same, but the pruner has only condemned what the writer relies on: it stores it again.
TEST(PruneTest, AFencedBackupStoresAgainWhatIsCondemned) {
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
TEST(PruneTest, WhatIsReplacedWhileItIsReadIsFound) {
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
TEST(PruneTest, ABackupThatBeginsWhileAPruneEndsKnowsWhatIsGone) {
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
TEST(PruneTest, ABackupThatIsFencedBeforeItsCommitLeavesAPointThatNobodySees) {
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
TEST(PruneTest, ABackupThatIsFencedAfterItsCommitStays) {
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

}  // namespace
}  // namespace holdfast
