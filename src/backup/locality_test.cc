// What is stored again although it did not change: which files, how many, and that nothing else differs.
#include "backup/locality.h"

#include <gtest/gtest.h>

#include "backup/content_pipeline.h"
#include "support/model_backup.h"
#include "support/temporary_directory.h"

namespace holdfast {
namespace {

constexpr std::size_t file_bytes = 8000;

// A directory of small files that are written in batches, each of which becomes one chunk.
struct Files {
    TemporaryDirectory cache;
    TestRepository test{cache.path(), 1};
    ModelNode tree;
    std::mt19937_64 random{1};
    TimeNs ticks = 0;

    Files() {
        tree.metadata.type = EntryType::directory;
        tree.metadata.mode = 0755;
    }
    ModelNode& write(const std::string& name) {
        ModelNode& file = tree.children[name];
        if (file.metadata.inode == 0) file.metadata.inode = tree.children.size() + 1;
        file.metadata.mtime = file.metadata.ctime = epoch + ++ticks * 1000;
        file.metadata.size = file_bytes;
        file.content.resize(file_bytes);
        for (std::uint8_t& byte : file.content) byte = static_cast<std::uint8_t>(random());
        return file;
    }
    void write_batch(const std::string& prefix, std::size_t begin, std::size_t end) {
        for (std::size_t i = begin; i < end; ++i) write(prefix + std::to_string(100 + i));
    }
    BackupReport back_up(BackupType type = BackupType::incremental) {
        ModelSource source(tree);
        const BackupReport report = test.backup(source, type);
        EXPECT_EQ(difference(*test.repository, tree, test.latest().record.root, ""), "");
        return report;
    }
    ChunkId chunk_of(const std::string& name) {
        const Entry entry =
            find_entry(*test.repository->chunks().value(), test.latest().record.root, name).value();
        return std::get<RunContent>(entry.content).runs.at(0).chunk;
    }
    std::size_t left_in(const ChunkId& chunk, const std::string& prefix) {
        std::size_t count = 0;
        for (const auto& [name, file] : tree.children)
            if (name.starts_with(prefix) && chunk_of(name) == chunk) ++count;
        return count;
    }
};

// Three chunks: of a, 3 of 60 files live on; of b, 12 of 60; of c, 40 of 60.
struct DyingChunks : Files {
    ChunkId a, b, c;
    DyingChunks() {
        for (const char* prefix : {"a", "b", "c"}) {
            write_batch(prefix, 0, 60);
            back_up();
        }
        a = chunk_of("a100"), b = chunk_of("b100"), c = chunk_of("c100");
    }
    void let_die() {
        write_batch("a", 3, 60);
        write_batch("b", 12, 60);
        write_batch("c", 40, 60);
    }
};

TEST(LocalityTest, TheDeadestChunkIsEmptiedFirst) {
    DyingChunks files;
    files.let_die();
    EXPECT_EQ(files.back_up().again_files, 0u);  // this walk sees what has died
    files.write_batch("0", 0, 8);
    const BackupReport report = files.back_up();
    EXPECT_EQ(files.left_in(files.a, "a"), 0u);
    EXPECT_EQ(files.left_in(files.b, "b"), 7u);  // 3 and 5 files: as much as has changed
    EXPECT_EQ(files.left_in(files.c, "c"), 40u);
    EXPECT_EQ(report.again_files, 8u);
    EXPECT_EQ(report.again_bytes, 8 * file_bytes);
    // With what is new: one chunk more, not two.
    EXPECT_EQ(files.chunk_of("0100"), files.chunk_of("a100"));
    EXPECT_EQ(files.chunk_of("0100"), files.chunk_of("b100"));
}

TEST(LocalityTest, NothingIsStoredAgainWhereNothingChanges) {
    DyingChunks files;
    files.let_die();
    files.back_up();
    EXPECT_EQ(files.back_up().again_files, 0u);
    EXPECT_EQ(files.left_in(files.a, "a"), 3u);
}

// A tenth of what changed, whatever there would be to do.
TEST(LocalityTest, TheBudgetIsHeld) {
    DyingChunks files;
    files.let_die();
    std::uint64_t changed_bytes = (60 + 60 + 125) * file_bytes, again_bytes = 0;
    for (int day = 0; day < 15; ++day) {
        const std::size_t count = 1 + files.random() % 6;
        files.write_batch("0", 0, count);
        const BackupReport report = files.back_up();
        changed_bytes += count * file_bytes;
        again_bytes += report.again_bytes;
        EXPECT_LE(report.again_bytes, count * file_bytes);
        EXPECT_LE(again_bytes * 10, changed_bytes);
    }
    EXPECT_GT(again_bytes, 0u);
}

TEST(LocalityTest, WithoutACacheNothingIsStoredAgain) {
    DyingChunks files;
    files.test.cache_directory.clear();
    files.test.open();
    files.let_die();
    files.back_up();
    files.write_batch("0", 0, 8);
    EXPECT_EQ(files.back_up().again_files, 0u);
}

// One of two names would leave the chunk, and the other one would hold it.
TEST(LocalityTest, AChunkWithAHardLinkedFileIsLeftAlone) {
    DyingChunks files;
    ModelNode& linked = files.write("a100");
    linked.metadata.has_links = true;
    files.write_batch("a", 1, 60);
    files.back_up();
    const ChunkId a = files.chunk_of("a101");
    files.let_die();
    files.back_up();
    files.write_batch("0", 0, 8);
    files.back_up();
    EXPECT_EQ(files.left_in(a, "a"), 3u);
    EXPECT_EQ(files.left_in(files.b, "b"), 4u);
}

// Fails to open what it is told.
class HidingSource final : public Source {
  public:
    HidingSource(Source& inner, std::set<std::string> hidden)
        : inner_(inner), hidden_(std::move(hidden)) {}
    Result<std::unique_ptr<SourceStream>> walk() override { return inner_.walk(); }
    Result<std::unique_ptr<SourceFile>> open(const SourceEvent& event) override {
        if (hidden_.contains(event.name)) return Error(ErrorCode::unavailable, "a bad sector");
        return inner_.open(event);
    }
    Status complete(const SourceEvent& event, Metadata& metadata) override {
        return inner_.complete(event, metadata);
    }

  private:
    Source& inner_;
    const std::set<std::string> hidden_;
};

// Nobody had to read it: it is no problem of this backup.
TEST(LocalityTest, WhatCannotBeReadStaysWhereItIs) {
    DyingChunks files;
    files.let_die();
    files.back_up();
    files.write_batch("0", 0, 8);
    ModelSource model(files.tree);
    HidingSource source(model, {"a101"});
    const BackupReport report = files.test.backup(source, BackupType::incremental);
    EXPECT_EQ(report.problem_count, 0u);
    EXPECT_EQ(report.again_files, 7u);
    EXPECT_EQ(report.stats.files, files.tree.children.size());
    EXPECT_EQ(difference(*files.test.repository, files.tree, files.test.latest().record.root, ""), "");
    EXPECT_EQ(files.left_in(files.a, "a"), 1u);
}

// A touched file is read, found to be stored, and is still alive where it is.
TEST(LocalityTest, ATouchedFileCountsAsAlive) {
    DyingChunks files;
    files.let_die();
    for (int i = 0; i < 40; ++i)
        files.tree.children["c" + std::to_string(100 + i)].metadata.ctime += 10;
    files.back_up();
    files.write_batch("0", 0, 60);
    files.back_up();
    EXPECT_EQ(files.left_in(files.c, "c"), 40u);
}

TEST(LocalityTest, ATornFileIsNotBelieved) {
    DyingChunks files;
    files.let_die();
    files.back_up();
    for (const auto& entry : std::filesystem::recursive_directory_iterator(files.cache.path()))
        if (entry.path().filename().string().starts_with("locality-"))
            std::filesystem::resize_file(entry.path(), entry.file_size() - 32);
    files.write_batch("0", 0, 8);
    EXPECT_EQ(files.back_up().again_files, 0u);
}

// Random trees that change: each point is what its source was, and the budget is held over all of them.
TEST(LocalityProperty, ContentIsTheSame) {
    std::uint64_t again_files = 0;
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        const TemporaryDirectory cache;
        TestRepository test(cache.path(), seed);
        Gardener gardener(seed, 400);
        ModelNode tree = gardener.plant();
        std::uint64_t read_bytes = 0, again_bytes = 0;
        for (int step = 0; step < 25; ++step) {
            ModelSource source(tree);
            const BackupReport report = test.backup(source, BackupType::incremental);
            ASSERT_EQ(difference(*test.repository, tree, test.latest().record.root, ""), "");
            again_files += report.again_files;
            again_bytes += report.again_bytes;
            read_bytes += report.stats.read_bytes - report.again_bytes;
            ASSERT_LE(again_bytes * 10, read_bytes);
            gardener.change(tree, 12);
        }
        EXPECT_EQ(test.check().problem_count, 0u);
    }
    EXPECT_GT(again_files, 0u);
}

}  // namespace
}  // namespace holdfast
