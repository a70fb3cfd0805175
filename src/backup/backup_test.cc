// Properties of backup and tree merge, against a model tree in memory.
#include "backup/backup.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <filesystem>
#include <map>
#include <random>

#include "backup/page_detection.h"
#include "repository/check.h"
#include "repository/tree_reader.h"
#include "source/generated/generated_source.h"
#include "storage/memory/memory_storage.h"
#include "support/hooked_storage.h"

namespace holdfast {
namespace {

constexpr TimeNs epoch = 1'700'000'000 * ns_per_second;

struct ModelNode {
    Metadata metadata;
    Bytes content;
    std::map<std::string, ModelNode> children;
};

// Walks a model tree.
class ModelSource final : public Source {
  public:
    explicit ModelSource(const ModelNode& root) : root_(root) {}

    Result<std::unique_ptr<SourceStream>> walk() override {
        files_.clear();
        auto stream = std::make_unique<Stream>();
        emit(root_, "", *stream);
        return std::unique_ptr<SourceStream>(std::move(stream));
    }
    Result<std::unique_ptr<SourceFile>> open(const SourceEvent& event) override {
        return std::unique_ptr<SourceFile>(
            std::make_unique<File>(*files_.at(event.metadata.inode)));
    }
    Status complete(const SourceEvent&, Metadata&) override { return {}; }

  private:
    struct Stream final : SourceStream {
        std::vector<SourceEvent> events;
        std::size_t next_event = 0;
        Status next(std::vector<SourceEvent>& batch) override {
            while (next_event < events.size() && batch.size() < 100)
                batch.push_back(events[next_event++]);
            return {};
        }
    };
    struct File final : SourceFile {
        explicit File(const ModelNode& n) : node(n) {}
        const ModelNode& node;
        Result<Metadata> metadata() override { return node.metadata; }
        Result<bool> has_changed(const Metadata&) override { return false; }
        Result<std::vector<ExtendedAttribute>> xattrs() override { return node.metadata.xattrs; }
        Result<std::vector<SourceExtent>> extents(std::uint64_t bytes) override {
            return std::vector<SourceExtent>{{0, bytes, false}};
        }
        Result<std::size_t> read(std::uint64_t offset, MutableByteSpan out) override {
            const std::size_t start = std::min<std::size_t>(offset, node.content.size());
            const std::size_t count = std::min(out.size(), node.content.size() - start);
            std::copy_n(node.content.begin() + static_cast<std::ptrdiff_t>(start), count, out.begin());
            return count;
        }
    };

    void emit(const ModelNode& node, const std::string& name, Stream& stream) {
        SourceEvent event;
        event.name = name;
        event.metadata = node.metadata;
        const bool is_directory = node.metadata.type == EntryType::directory;
        event.kind = is_directory ? SourceEventKind::enter : SourceEventKind::entry;
        stream.events.push_back(event);
        files_[node.metadata.inode] = &node;
        for (const auto& [child_name, child] : node.children) emit(child, child_name, stream);
        if (!is_directory) return;
        SourceEvent leave;
        leave.kind = SourceEventKind::leave;
        stream.events.push_back(leave);
    }

    const ModelNode& root_;
    std::map<std::uint64_t, const ModelNode*> files_;
};

// Makes and changes random trees; deterministic by seed.
class Gardener {
  public:
    explicit Gardener(std::uint64_t seed) : random_(seed) {}

    ModelNode plant() {
        ModelNode root = directory();
        grow(root, 0);
        return root;
    }

    void change(ModelNode& node, unsigned percent) {
        std::vector<std::string> names;
        for (const auto& [name, child] : node.children) names.push_back(name);
        for (const std::string& name : names) {
            if (below(100) >= percent) {
                if (node.children[name].metadata.type == EntryType::directory)
                    change(node.children[name], percent);
                continue;
            }
            switch (below(5)) {
                case 0: node.children.erase(name); break;
                case 1: node.children[name] = file(); break;
                case 2: touch(node.children[name]); break;
                case 3: {
                    ModelNode moved = std::move(node.children[name]);
                    node.children.erase(name);
                    moved.metadata.ctime = tick();
                    node.children[fresh_name()] = std::move(moved);
                    break;
                }
                default: node.children[fresh_name()] = below(4) == 0 ? planted() : file(); break;
            }
            touch(node);
        }
    }

  private:
    std::uint64_t below(std::uint64_t limit) { return random_() % limit; }
    TimeNs tick() { return epoch + static_cast<TimeNs>(++ticks_) * 1000; }
    void touch(ModelNode& node) { node.metadata.mtime = node.metadata.ctime = tick(); }

    std::string fresh_name() {
        std::string name;
        const std::size_t length = 1 + below(below(10) == 0 ? 200 : 16);
        while (name.size() < length) {
            const char c = static_cast<char>(1 + below(255));
            if (c != '/') name += c;
        }
        return is_valid_name(name) ? name : "x" + name;
    }

    ModelNode node(EntryType type, std::uint16_t mode) {
        ModelNode result;
        result.metadata.type = type;
        result.metadata.mode = mode;
        result.metadata.inode = ++inodes_;
        result.metadata.uid = below(8) == 0 ? 1000 : 0;
        touch(result);
        return result;
    }
    ModelNode directory() { return node(EntryType::directory, 0755); }
    ModelNode file() {
        ModelNode result = node(EntryType::file, below(5) == 0 ? 0600 : 0644);
        static constexpr std::uint64_t sizes[] = {1, 100, 600, 5000, 150'000, 3'000'000};
        const std::uint64_t limit = sizes[below(100) < 97 ? below(4) : below(100) < 90 ? 4 : 5];
        result.content.resize(below(limit + 1));
        // Text-like or random, quickly: eight bytes at a time.
        const std::uint64_t mask = below(2) == 0 ? UINT64_MAX : 0x0303030303030303u;
        std::uint64_t word = random_();
        for (std::size_t i = 0; i < result.content.size(); ++i) {
            if (i % 8 == 0) word = (word * 0xD1342543DE82EF95u + 1) & (mask | 1);
            result.content[i] = static_cast<std::uint8_t>(word >> (i % 8 * 8));
        }
        result.metadata.size = result.content.size();
        if (below(20) == 0) result.metadata.xattrs = {{"user.x", {1, 2, 3}}};
        return result;
    }
    ModelNode planted() {
        ModelNode result = directory();
        grow(result, 3);
        return result;
    }
    void grow(ModelNode& parent, unsigned depth) {
        // Now and then a directory of many nodes; never more than 2,000 entries in all.
        const std::uint64_t count = below(10) == 0 ? below(600) : below(20);
        for (std::uint64_t i = 0; i < count && inodes_ < 2000; ++i) {
            ModelNode child = depth < 4 && below(6) == 0 ? directory() : file();
            if (child.metadata.type == EntryType::directory) grow(child, depth + 1);
            parent.children[fresh_name()] = std::move(child);
        }
    }

    std::mt19937_64 random_;
    std::uint64_t ticks_ = 0, inodes_ = 0;
};

Bytes random_bytes(std::size_t count) {
    Bytes data(count);
    system_random().fill(data);
    return data;
}

struct TestRepository {
    ManualClock clock{epoch + 1'000'000 * ns_per_second};
    std::shared_ptr<MemoryStorage> storage = std::make_shared<MemoryStorage>();
    StorageHook hook;  // asked before each request, when it is set
    Unlock unlock;
    std::string cache_directory;
    std::unique_ptr<Repository> repository;

    // Without a cache, unless there is a directory for it.
    explicit TestRepository(std::string cache = "") : cache_directory(std::move(cache)) {
        unlock.key_file =
            Repository::init(*storage, nullptr, std::nullopt, Repository::keep_nothing, clock, system_random()).value().key_file;
        open();
    }

    void open() {
        auto hooked = std::make_unique<HookedStorage>(
            storage, [this](std::string_view operation, const std::string& name) {
                return hook ? hook(operation, name) : ok_status();
            });
        repository =
            Repository::open(std::move(hooked), unlock, cache_directory, clock, system_random()).value();
    }

    Result<BackupReport> try_backup(Source& source, BackupType type) {
        clock.advance(60 * ns_per_second);
        BackupOptions options;
        options.host = "host";
        options.name = "name";
        options.type = type;
        Progress progress;
        return run_backup(*repository, source, options, progress, {});
    }
    BackupReport backup(Source& source, BackupType type) {
        auto report = try_backup(source, type);
        if (!report.ok()) throw std::runtime_error(report.error().describe());
        return *report;
    }
    PointInfo latest() {
        return repository
            ->latest(repository->keyring().source_id("host", "name"),
                     [](const PointInfo&) { return Repository::Choice::take; })
            .value()
            .at(0);
    }
    CheckReport check() {
        Progress progress;
        return run_check(*repository, CheckDepth::data, 2, progress, {}).value();
    }
};

Bytes read_content(Repository& repository, const Entry& entry) {
    if (const auto* content = std::get_if<InlineContent>(&entry.content)) return content->data;
    Bytes data;
    ChunkReader* chunks = repository.chunks().value();
    const Status read = for_each_run(*chunks, entry, [&](const holdfast::Run& run) -> Status {
        if (run.kind != RunKind::data) {
            data.resize(data.size() + run.bytes);
            return {};
        }
        HF_TRY(const Bytes chunk, chunks->read(run.chunk, ChunkPurpose::data));
        const auto begin = chunk.begin() + run.chunk_offset;
        data.insert(data.end(), begin, begin + static_cast<std::ptrdiff_t>(run.bytes));
        return {};
    });
    if (!read.ok()) throw std::runtime_error(read.error().describe());
    return data;
}

// The first difference, or nothing.
std::string difference(Repository& repository,
                       const ModelNode& model,
                       const Entry& entry,
                       const std::string& path) {
    if (entry.metadata != model.metadata) return path + ": metadata";
    if (model.metadata.type == EntryType::file)
        return read_content(repository, entry) == model.content ? "" : path + ": content";
    auto expected = model.children.begin();
    std::string found;
    const Status walked =
        for_each_entry(*repository.chunks().value(), entry, [&](const Entry& child) -> Status {
            if (!found.empty()) return {};
            if (expected == model.children.end()) found = path + ": too many";
            else if (expected->first != child.name) found = path + ": names";
            else
                found = difference(repository, expected->second, child, path + '/' + child.name);
            if (found.empty()) ++expected;
            return {};
        });
    if (!walked.ok()) return path + ": " + walked.error().describe();
    if (found.empty() && expected != model.children.end()) return path + ": too few";
    return found;
}

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
    const std::string cache = ::testing::TempDir() + "holdfast-insertion-" +
                              to_hex(system_random().array<8>());
    TestRepository test(cache);
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
    std::filesystem::remove_all(cache);
}

TEST(BackupTest, ThousandSmallBackupsTakeFewObjectsAndOpenInFiveRequests) {
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
    EXPECT_LE(requests, 5u);
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
