// Rot, truncation, swaps, replays and deletions of everything that is stored. By default a sample of the
// bytes; HOLDFAST_BIT_ROT=all tries every one (HACKING.md).
#include <gtest/gtest.h>

#include <cstdlib>

#include "repository/check.h"
#include "repository/mend_objects.h"
#include "repository/prune.h"
#include "repository/repair.h"
#include "support/model_backup.h"

namespace holdfast {
namespace {

constexpr std::size_t sampled_flips = 5000;

WriterIdentity tester() { return {"host", "machine", "boot", 1, 1}; }

// Of at least 4 MiB, with every kind of object that stays: packs, points with and without data, fragments of two
// tiers, marks, keys.
class BitRot : public testing::Test {
  protected:
    void SetUp() override {
        Gardener gardener(7, 400);
        tree_ = gardener.plant();
        // Small objects, or what is done for each byte takes hours for all.
        for (std::uint64_t i = 0; i < 64; ++i) {
            add_file(100'000 + i, 70'000);
            ModelSource source(tree_);
            test_.backup(source, BackupType::incremental);
            trees_.emplace(test_.latest().id, tree_);
            gardener.change(tree_, 3);
        }
        const std::vector<PointInfo> points = test_.repository->points(std::nullopt).value();
        test_.repository->set_mark(points[1], MarkKind::held, "a test");
        // A prune copies what stays into packs of its own.
        PruneOptions options;
        for (std::size_t i = 58; i < points.size(); ++i) {
            options.removing.insert(points[i].id);
            trees_.erase(points[i].id);
        }
        for (const ObjectInfo& info : objects()) before_prune_.emplace_back(info.name, get(info.name));
        Progress progress;
        ASSERT_TRUE(run_prune(*test_.repository, options, tester(), progress, {}).ok());
        std::uint64_t total = 0;
        for (const ObjectInfo& info : objects()) total += info.bytes;
        ASSERT_GE(total, 4u << 20);
        ASSERT_EQ(problems(), 0u);
    }

    void add_file(std::uint64_t inode, std::size_t bytes) {
        ModelNode file;
        file.metadata.mode = 0644;
        file.metadata.inode = inode;
        file.content.resize(bytes);
        SeededRandom(inode).fill(file.content);
        file.metadata.size = bytes;
        tree_.children["file" + std::to_string(inode)] = file;
    }

    std::vector<ObjectInfo> objects() { return list_objects(*test_.storage, "").value(); }
    Bytes get(const std::string& name) { return test_.storage->get(name, UINT32_MAX).value(); }
    void put(const std::string& name, const Bytes& data) {
        if (test_.storage->put(name, data, Durability::immediate).ok()) return;
        auto writer = test_.storage->begin_again(name).value();
        (void)writer->append(data).ok();
        (void)writer->commit(Durability::immediate).ok();
    }
    std::vector<PointInfo> stored_points() { return test_.repository->points(std::nullopt).value(); }
    bool opens() {
        auto storage = std::make_unique<HookedStorage>(
            test_.storage, [](std::string_view, const std::string&) { return ok_status(); });
        auto opened = Repository::open(std::move(storage), test_.unlock, "", test_.clock, test_.random);
        if (!opened.ok()) return false;
        test_.repository = std::move(opened).value();
        return true;
    }
    // What a check says: at least one problem when the repository cannot even be opened.
    std::uint64_t problems() {
        if (!opens()) return 1;
        CheckOptions options;
        options.depth = CheckDepth::data;
        Progress progress;
        const auto report = run_check(*test_.repository, options, progress, {});
        return report.ok() ? report->problem_count : 1;
    }
    // Three points that are listed restore right, or say that they cannot.
    void expect_nothing_wrong(const std::string& what) {
        if (!opens()) return;
        const auto points = test_.repository->points(std::nullopt);
        if (!points.ok()) return;
        for (const PointInfo& point : *points) {
            const auto tree = trees_.find(point.id);
            if (point.is_damaged || tree == trees_.end() || ++seen_ % (points->size() / 3) != 0) continue;
            std::string found;
            try {
                found = difference(*test_.repository, tree->second, point.record.root, "");
            } catch (const std::runtime_error&) {
                continue;  // it says that it cannot
            }
            // Anything else is an error's text.
            for (const char* wrong : {": content", ": metadata", ": names", ": too many", ": too few"})
                EXPECT_FALSE(found.ends_with(wrong)) << what << ": " << found;
        }
    }

    TestRepository test_{"", 7};
    ModelNode tree_;
    std::map<RestorePointId, ModelNode> trees_;
    std::size_t seen_ = 0;
    std::vector<std::pair<std::string, Bytes>> before_prune_;
};

struct Mended {
    std::uint64_t found = 0;  // damaged objects
    Bytes data;
};

// Mends one object beside nothing else: what a repair does with it. A configuration or slot lacks its second copy
// then, besides.
Mended mended_alone(const std::string& name, const Bytes& data, const RepositoryId& repository) {
    MemoryStorage storage;
    (void)storage.put(name, data, Durability::none).ok();
    Progress progress;
    const MendReport report = mend_objects(storage, repository, false, progress, {}).value();
    return {report.mended.size() + report.beyond_mending.size(), storage.get(name, UINT32_MAX).value()};
}

TEST_F(BitRot, EveryFlippedByteIsFoundAndMended) {
    const char* const mode = std::getenv("HOLDFAST_BIT_ROT");
    const bool all = mode != nullptr && std::string(mode) == "all";
    const RepositoryId repository = test_.repository->keyring().repository();
    std::uint64_t total = 0, tried = 0, mended = 0;
    for (const ObjectInfo& info : objects()) total += info.bytes;
    const std::uint64_t step = all ? 1 : total / sampled_flips;
    // What a check of everything takes is spent on one flip in fifty of a sample.
    const std::uint64_t checked = all ? 20'000 : 50;
    std::mt19937_64 random(11);
    std::uint64_t next = random() % step, before = 0;
    for (const ObjectInfo& info : objects()) {
        const Bytes whole = get(info.name);
        Bytes data = whole;
        for (; next < before + whole.size(); next += step) {
            const auto at = static_cast<std::size_t>(next - before);
            data[at] ^= static_cast<std::uint8_t>(1u << random() % 8);
            const std::string what = info.name + " byte " + std::to_string(at);
            const Mended alone = mended_alone(info.name, data, repository);
            EXPECT_GE(alone.found, 1u) << what;
            mended += alone.data == whole;
            if (tried++ % checked == 0) {
                put(info.name, data);
                EXPECT_NE(problems(), 0u) << what;
                expect_nothing_wrong(what);
                put(info.name, whole);
            }
            data[at] = whole[at];
            if (testing::Test::HasFailure()) return;
        }
        before += whole.size();
    }
    EXPECT_GE(tried, all ? total : sampled_flips);
    EXPECT_GE(mended * 100, tried * 99);
    std::printf("%llu bytes flipped, %llu mended to the byte\n", static_cast<unsigned long long>(tried),
                static_cast<unsigned long long>(mended));
}

TEST_F(BitRot, TruncationIsFound) {
    std::mt19937_64 random(12);
    for (const ObjectInfo& info : objects()) {
        const Bytes whole = get(info.name);
        for (const std::size_t size : {std::size_t{0}, whole.size() - 1,
                                       static_cast<std::size_t>(random() % whole.size())}) {
            put(info.name, Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)));
            const std::string what = info.name + " cut to " + std::to_string(size);
            EXPECT_NE(problems(), 0u) << what;
            expect_nothing_wrong(what);
        }
        put(info.name, whole);
    }
    EXPECT_EQ(problems(), 0u);
}

TEST_F(BitRot, SwappedObjectsAreFound) {
    std::mt19937_64 random(13);
    const std::vector<ObjectInfo> all = objects();
    for (int i = 0; i < 60; ++i) {
        const std::string a = all[random() % all.size()].name, b = all[random() % all.size()].name;
        const Bytes first = get(a), second = get(b);
        if (a == b || first == second) continue;
        put(a, second);
        put(b, first);
        EXPECT_NE(problems(), 0u) << a << " and " << b;
        expect_nothing_wrong(a + " and " + b);
        put(a, first);
        put(b, second);
    }
}

// Nothing that stays may be wrong or lost by what comes back.
TEST_F(BitRot, ReplayedObjectsDoNoHarm) {
    std::set<std::string> present;
    for (const ObjectInfo& info : objects()) present.insert(info.name);
    std::size_t replayed = 0;
    for (const auto& [name, data] : before_prune_) {
        if (present.contains(name)) continue;
        ++replayed;
        put(name, data);
        expect_nothing_wrong(name);
        ASSERT_TRUE(opens());
        for (const auto& [id, tree] : trees_) {
            bool is_there = false;
            for (const PointInfo& point : stored_points())
                is_there = is_there || point.id == id;
            EXPECT_TRUE(is_there) << name;
        }
        (void)test_.storage->remove(name).ok();
    }
    EXPECT_GT(replayed, 5u);
}

// Of a restore point that nothing else tells of, nobody can know that it is gone; a key slot has another copy,
// and of what an index fragment says, all is in the tables of packs and points.
TEST_F(BitRot, DeletedObjectsAreMissed) {
    ASSERT_TRUE(opens());
    std::set<std::string> folded;
    for (const auto& fragment : test_.repository->index().value()->fragments())
        for (const FoldedPoint& point : fragment->record().points)
            folded.insert(point_name({point.source, point.inverted_time, point.id}));
    EXPECT_FALSE(folded.empty());
    for (const ObjectInfo& info : objects()) {
        if (info.name.starts_with("marks/") || info.name.starts_with("keys/")) continue;
        if (info.name.starts_with("points/") && !folded.contains(info.name)) continue;
        const Bytes whole = get(info.name);
        (void)test_.storage->remove(info.name).ok();
        if (!info.name.starts_with("index/")) {
            EXPECT_NE(problems(), 0u) << info.name;
        }
        expect_nothing_wrong(info.name);
        put(info.name, whole);
    }
}

}  // namespace
}  // namespace holdfast
