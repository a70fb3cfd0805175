// A year of small files that change one by one: what it takes to keep, and to bring back. What a whole restore takes
// is measured by bench/year_bench.cc.
#include <gtest/gtest.h>

#include <ctime>

#include "support/small_file_year.h"
#include "support/temporary_directory.h"

namespace holdfast {
namespace {

// Of a chunk whose start may be absent.
LocatedChunk any_place(const Index& index, const ChunkId& id) {
    for (std::uint32_t offset = 0;; offset += 512)
        if (const auto located = index.locate(id, {offset, 1}); located.ok()) return *located;
}

struct RestoreCost {
    std::uint64_t stored_bytes = 0, chunks = 0;
    TimeNs cpu_ns = 0;
};

// What a restore of the last point has to fetch and to undo: each chunk once.
RestoreCost restore_cost(TestRepository& test) {
    const PointInfo point = test.latest();
    ChunkReader* const reader = test.repository->chunks().value();
    Index* const index = test.repository->index().value();
    std::set<ChunkId> chunks;
    EXPECT_TRUE(for_each_entry_below(*reader, point.record.root, "", Recursion::all,
                                     [&](const std::string&, const Entry& entry) {
                                         return for_each_run(*reader, entry, [&](const holdfast::Run& run) -> Status {
                                             if (run.kind == RunKind::data) chunks.insert(run.chunk);
                                             return {};
                                         });
                                     })
                    .ok());
    RestoreCost cost;
    cost.chunks = chunks.size();
    const std::clock_t start = std::clock();
    for (const ChunkId& id : chunks) {
        const LocatedChunk chunk = any_place(*index, id);
        cost.stored_bytes += chunk.location.stored_bytes();
        EXPECT_TRUE(reader->read(chunk).ok());
    }
    cost.cpu_ns = (std::clock() - start) * (ns_per_second / CLOCKS_PER_SEC);
    return cost;
}

// A group of files in one chunk dies slowly, and takes no more space than what is alive in it; and what is left of
// the deadest groups joins the new ones, so that a restore does not need ever more of them.
TEST(YearTest, SmallFilesThatChangeDayByDayGiveTheirSpaceBack) {
    const TemporaryDirectory cache;
    SmallFileYear year(cache.path());
    TestRepository& test = year.test;
    double worst = 0;
    RestoreCost first;
    std::uint64_t again_bytes = 0;
    for (std::size_t day = 1; day <= SmallFileYear::days; ++day) {
        again_bytes += year.next_day().again_bytes;
        if (day == 1) first = restore_cost(test);
        std::uint64_t stored = 0;
        const auto folders = test.repository->usage().value();
        for (const auto& [folder, usage] : folders) stored += usage.bytes;
        worst = std::max(worst, static_cast<double>(stored) /
                                    static_cast<double>(year.referenced_bytes()));
    }
    test.open();  // the last prune has deleted what this index names
    const RestoreCost last = restore_cost(test);
    const double again = static_cast<double>(again_bytes) / static_cast<double>(year.changed_bytes());
    std::printf("stored %.2f x referenced, %.1f %% of the changed bytes again; restore: %llu chunks of %llu bytes in "
                "%.1f ms CPU, then %llu of %llu in %.1f\n",
                worst, again * 100, static_cast<unsigned long long>(first.chunks),
                static_cast<unsigned long long>(first.stored_bytes), static_cast<double>(first.cpu_ns) / 1e6,
                static_cast<unsigned long long>(last.chunks), static_cast<unsigned long long>(last.stored_bytes),
                static_cast<double>(last.cpu_ns) / 1e6);
    EXPECT_LT(last.stored_bytes, first.stored_bytes * 3 / 2);
    EXPECT_LT(worst, 1.28);  // 1.22 to 1.24; 1.21 to 1.23 where nothing is stored again
    EXPECT_LT(last.chunks, 240u);  // 302 where nothing is stored again
    EXPECT_LE(again, 0.1);
    EXPECT_EQ(difference(*test.repository, year.tree, test.latest().record.root, ""), "");
    EXPECT_EQ(test.check().problem_count, 0u);
}

}  // namespace
}  // namespace holdfast
