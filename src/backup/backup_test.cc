// Properties of backup and tree merge, against a model tree in memory.
#include "backup/backup.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <filesystem>

#include "backup/page_detection.h"
#include "source/generated/generated_source.h"
#include "support/model_backup.h"
#include "support/temporary_directory.h"

namespace holdfast {
namespace {

TEST(BackupProperty, WhatWasBackedUpIsThereAfterAnyChanges) {
    const bool holds = rc::check("trees survive", [](std::uint64_t seed) {
        Gardener gardener(seed);
        ModelNode tree = gardener.plant();
        TestRepository test;
        for (int round = 0; round < 4; ++round) {
            ModelSource source(tree);
            const BackupType type = round == 2 ? BackupType::differential : BackupType::incremental;
            test.backup(source, type);
            const PointInfo point = test.latest();
            const std::string found = difference(*test.repository, tree, point.record.root, "");
            if (!found.empty()) RC_FAIL(found);
            gardener.change(tree, round == 0 ? 1 : 15);
        }
        const CheckReport check = test.check();
        if (check.problem_count != 0) RC_FAIL(check.problems.front());
    });
    EXPECT_TRUE(holds);
}

TEST(BackupTest, NothingChangedReadsNothingAndStoresOneSmallObject) {
    GeneratedSource source({.files = 5000});
    TestRepository test;
    test.backup(source, BackupType::incremental);
    const BackupReport second = test.backup(source, BackupType::incremental);
    EXPECT_EQ(second.type, BackupType::incremental);
    EXPECT_EQ(second.stats.read_bytes, 0u);
    EXPECT_LT(second.stored_bytes, 1500u);
}

TEST(BackupTest, AnIncrementalBackupMakesTheTreeThatAFullOneMakes) {
    TestRepository test;
    GeneratedSource first({.files = 20000}), second({.files = 20000, .version = 2, .changed_one_in = 500});
    test.backup(first, BackupType::full);
    test.backup(second, BackupType::incremental);
    const Entry incremental = test.latest().record.root;
    const BackupReport full = test.backup(second, BackupType::full);
    EXPECT_EQ(test.latest().record.root, incremental);
    EXPECT_EQ(full.stats.read_bytes, full.stats.content_bytes);
}

TEST(BackupTest, AnInsertionIntoALargeFileStoresLittleMoreThanItself) {
    ModelNode tree;
    tree.metadata.type = EntryType::directory;
    tree.metadata.inode = 1;
    ModelNode& file = tree.children["file"];
    file.metadata.inode = 2;
    file.content = random_bytes(16 << 20);
    const auto set_size = [&file] {
        file.metadata.size = file.content.size();
        file.metadata.mtime = ++file.metadata.ctime;
    };
    set_size();
    const TemporaryDirectory cache;
    TestRepository test(cache.path());
    ModelSource source(tree);
    test.backup(source, BackupType::incremental);
    constexpr std::size_t places = 8;
    for (std::size_t i = 0; i < places; ++i) {
        const auto at = static_cast<std::ptrdiff_t>((i * 2 + 1) << 20);
        const Bytes inserted = random_bytes(100);
        file.content.insert(file.content.begin() + at, inserted.begin(), inserted.end());
    }
    set_size();
    const BackupReport second = test.backup(source, BackupType::incremental);
    // A member each, of 64 KiB on average and 256 KiB at most; now and then two.
    EXPECT_LT(second.stored_bytes, places * (160u << 10));
    EXPECT_EQ(difference(*test.repository, tree, test.latest().record.root, ""), "");
    EXPECT_EQ(test.check().problem_count, 0u);
}

TEST(BackupTest, ThousandSmallBackupsTakeFewObjectsAndOpenInSixRequests) {
    TestRepository test;
    Gardener gardener(7);
    ModelNode tree = gardener.plant();
    ModelSource source(tree);
    test.backup(source, BackupType::incremental);
    const std::size_t before = list_objects(test.repository->storage(), "").value().size();
    constexpr std::size_t backups = 1000;
    for (std::size_t i = 0; i < backups; ++i) {
        ModelNode& changed = tree.children.begin()->second;
        changed.metadata.mtime = changed.metadata.ctime += 1;
        test.backup(source, BackupType::incremental);
    }
    const std::size_t after = list_objects(test.repository->storage(), "").value().size();
    EXPECT_LE(static_cast<double>(after - before) / backups, 1.2);
    std::size_t requests = 0;
    test.hook = [&requests](std::string_view, const std::string&) {
        ++requests;
        return ok_status();
    };
    test.open();
    EXPECT_EQ(test.latest().record.started, test.clock.now());
    EXPECT_LE(requests, 6u);
    test.hook = nullptr;
    EXPECT_EQ(test.check().problem_count, 0u);
    EXPECT_EQ(difference(*test.repository, tree, test.latest().record.root, ""), "");
}

TEST(BackupTest, ASearchForLostPacksThatFailedIsRepeated) {
    TestRepository test;
    GeneratedSource source({.files = 20000});
    test.backup(source, BackupType::incremental);
    const auto fragments = list_objects(*test.storage, "index/").value();
    ASSERT_FALSE(fragments.empty());
    for (const ObjectInfo& fragment : fragments)
        ASSERT_TRUE(test.storage->remove(fragment.name).ok());
    test.open();
    bool fails = true;
    test.hook = [&fails](std::string_view operation, const std::string& name) -> Status {
        if (fails && operation == "list" && name == "data/")
            return Error(ErrorCode::unavailable, "made to fail");
        return {};
    };
    EXPECT_FALSE(test.repository->find_unindexed().ok());
    fails = false;
    EXPECT_FALSE(test.repository->find_unindexed().value().empty());
    const Entry root = test.latest().record.root;
    ChunkReader* chunks = test.repository->chunks().value();
    EXPECT_TRUE(for_each_entry(*chunks, root, [](const Entry&) { return ok_status(); }).ok());
}

// Each batch of events takes ten minutes.
class SlowSource final : public Source {
  public:
    SlowSource(Source& source, ManualClock& clock) : source_(source), clock_(clock) {}
    Result<std::unique_ptr<SourceStream>> walk() override {
        HF_TRY(auto stream, source_.walk());
        return std::unique_ptr<SourceStream>(
            std::make_unique<Stream>(std::move(stream), clock_));
    }
    Result<std::unique_ptr<SourceFile>> open(const SourceEvent& event) override {
        return source_.open(event);
    }
    Status complete(const SourceEvent& event, Metadata& metadata) override {
        return source_.complete(event, metadata);
    }

  private:
    struct Stream final : SourceStream {
        Stream(std::unique_ptr<SourceStream> s, ManualClock& c) : stream(std::move(s)), clock(c) {}
        std::unique_ptr<SourceStream> stream;
        ManualClock& clock;
        Status next(std::vector<SourceEvent>& batch) override {
            clock.advance(600 * ns_per_second);
            return stream->next(batch);
        }
    };
    Source& source_;
    ManualClock& clock_;
};

TEST(BackupTest, AFirstBackupThatDiesIsGoneOnWith) {
    TestRepository test;
    GeneratedSource tree({.files = 20000});
    SlowSource source(tree, test.clock);
    std::size_t partial_points = 0;
    test.hook = [&](std::string_view operation, const std::string& name) -> Status {
        if (operation == "put" && name.starts_with("points/")) ++partial_points;
        // Everything fails, as for a process that is killed, once some have been left.
        if (partial_points > 5) return Error(ErrorCode::unavailable, "gone");
        return {};
    };
    ASSERT_FALSE(test.try_backup(source, BackupType::incremental).ok());
    test.hook = nullptr;
    test.open();
    const auto points = test.repository->points(std::nullopt).value();
    ASSERT_FALSE(points.empty());
    for (const PointInfo& point : points) EXPECT_TRUE(point.record.is_partial);
    EXPECT_EQ(test.check().problem_count, 0u);

    const BackupReport second = test.backup(source, BackupType::incremental);
    EXPECT_EQ(second.type, BackupType::full);
    const PointInfo latest = test.latest();
    EXPECT_FALSE(latest.record.is_partial);
    EXPECT_EQ(second.stats.files, 20000u);
    EXPECT_GT(second.stats.read_bytes, 0u);
    EXPECT_LT(second.stats.read_bytes, second.stats.content_bytes * 9 / 10);

    // The same tree as that of a backup which nobody disturbed, which keeps no partial points.
    TestRepository undisturbed;
    SlowSource again(tree, undisturbed.clock);
    undisturbed.backup(again, BackupType::incremental);
    EXPECT_EQ(undisturbed.repository->points(std::nullopt).value().size(), 1u);
    const auto names_of = [](TestRepository& repository) {
        std::vector<std::pair<std::string, std::uint64_t>> names;
        const Entry root = repository.latest().record.root;
        ChunkReader* chunks = repository.repository->chunks().value();
        const std::function<Status(const Entry&)> visit = [&](const Entry& entry) -> Status {
            names.emplace_back(entry.name, entry.metadata.size);
            if (entry.metadata.type == EntryType::directory) return for_each_entry(*chunks, entry, visit);
            return {};
        };
        EXPECT_TRUE(visit(root).ok());
        return names;
    };
    EXPECT_EQ(names_of(test), names_of(undisturbed));
    EXPECT_EQ(test.check().problem_count, 0u);
}

// Whatever request of a first backup with partial points fails, and all that follow it: what it leaves
// is whole, and the next backup makes the tree that an undisturbed one makes.
TEST(BackupProperty, NoFailedRequestSpoilsAPartialPoint) {
    const bool holds = rc::check("failures spoil no partial point", [](std::uint64_t seed, bool stays_failed) {
        std::mt19937_64 random(seed);
        Gardener gardener(seed);
        ModelNode tree = gardener.plant();
        ModelSource source(tree);
        std::size_t requests = 0, partial_points = 0;
        {
            TestRepository undisturbed;
            SlowSource slow(source, undisturbed.clock);
            undisturbed.hook = [&](std::string_view operation, const std::string& name) {
                ++requests;
                if (operation == "put" && name.starts_with("points/")) ++partial_points;
                return ok_status();
            };
            undisturbed.backup(slow, BackupType::incremental);
        }
        RC_TAG(partial_points > 1 ? "with partial points" : "without");
        TestRepository test;
        SlowSource slow(source, test.clock);
        std::size_t until_failure = random() % requests;
        bool failed = false;
        test.hook = [&](std::string_view, const std::string& name) -> Status {
            if (!(failed && stays_failed) && until_failure-- != 0) return {};
            failed = true;
            return Error(ErrorCode::unavailable, name + ": made to fail");
        };
        (void)test.try_backup(slow, BackupType::incremental).ok();
        test.hook = nullptr;
        test.open();
        const CheckReport left = test.check();
        if (left.problem_count != 0) RC_FAIL(left.problems.front());
        test.backup(source, BackupType::incremental);
        const std::string found = difference(*test.repository, tree, test.latest().record.root, "");
        if (!found.empty()) RC_FAIL(found);
        const CheckReport after = test.check();
        if (after.problem_count != 0) RC_FAIL(after.problems.front());
    });
    EXPECT_TRUE(holds);
}

// Whatever request fails, and all that follow it: what was acknowledged stays whole, the failure is
// reported, and the next backup succeeds. (A full disk stays full; a network comes back.)
TEST(BackupProperty, NoFailedRequestLosesWhatWasAcknowledged) {
    const bool holds = rc::check("failures lose nothing", [](std::uint64_t seed, bool stays_failed) {
        std::mt19937_64 random(seed);
        Gardener gardener(seed);
        ModelNode tree = gardener.plant();
        ModelSource source(tree);
        TestRepository test;
        std::size_t requests = 0;
        test.hook = [&requests](std::string_view, const std::string&) {
            ++requests;
            return ok_status();
        };
        test.backup(source, BackupType::incremental);
        const ModelNode acknowledged = tree;
        gardener.change(tree, 15);
        ModelSource changed(tree);
        std::size_t until_failure = random() % requests;
        const ErrorCode code = stays_failed ? ErrorCode::out_of_space : ErrorCode::unavailable;
        bool failed = false;
        test.hook = [&](std::string_view operation, const std::string& name) -> Status {
            const bool writes = operation != "read" && operation != "get" && operation != "list" &&
                                operation != "head" && operation != "remove";
            if (stays_failed && !writes) return {};
            if (!(failed && stays_failed) && until_failure-- != 0) return {};
            failed = true;
            return Error(code, name + ": made to fail");
        };
        const auto report = test.try_backup(changed, BackupType::incremental);
        test.hook = nullptr;
        test.open();
        const bool was_acknowledged = report.ok();
        const std::string found =
            difference(*test.repository, was_acknowledged ? tree : acknowledged,
                       test.latest().record.root, "");
        // A point that was stored before the failure is whole as well, though nobody promised it.
        if (!found.empty() && (was_acknowledged ||
                               !difference(*test.repository, tree, test.latest().record.root, "").empty()))
            RC_FAIL(found);
        test.backup(changed, BackupType::incremental);
        const std::string after = difference(*test.repository, tree, test.latest().record.root, "");
        if (!after.empty()) RC_FAIL(after);
        const CheckReport check = test.check();
        if (check.problem_count != 0) RC_FAIL(check.problems.front());
    });
    EXPECT_TRUE(holds);
}

TEST(PageDetectionTest, KnowsImagesAndDatabases) {
    const Bytes nothing(page_detection_bytes);
    EXPECT_EQ(page_bytes_of("disk.img", 8 << 20, nothing), 4096u);
    EXPECT_EQ(page_bytes_of("disk.img", (8 << 20) + 1, nothing), 0u);
    EXPECT_EQ(page_bytes_of("disk.img", 4096, nothing), 0u);
    EXPECT_EQ(page_bytes_of("movie.mkv", 8 << 20, nothing), 0u);
    EXPECT_EQ(page_bytes_of("table.ibd", 8 << 20, nothing), 16384u);
    Bytes ext4 = nothing;
    ext4[0x438] = 0x53;
    ext4[0x439] = 0xEF;
    EXPECT_EQ(page_bytes_of("anything", 8 << 20, ext4), 4096u);
}

}  // namespace
}  // namespace holdfast
