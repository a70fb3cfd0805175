#include "catalog/catalog.h"

#include <gtest/gtest.h>

#include "base/file_io.h"
#include "support/temporary_directory.h"

namespace holdfast {
namespace {

RepositoryFacts facts_of(const std::string& name, std::size_t points) {
    RepositoryFacts facts;
    facts.name = name;
    facts.id = "id of " + name;
    facts.measured = 1000;
    facts.lock_period = 77;
    facts.recovery_key = RecoveryKey::confirmed;
    facts.check = {900, 800, 2, 5000, 100, 700, 1};
    for (std::size_t i = 0; i < points; ++i) {
        PointFacts point;
        point.id = std::to_string(i);
        point.host = "web1";
        point.name = "/srv\xFF";  // no UTF-8
        point.time = static_cast<TimeNs>(1000 - i);
        point.type = "full";
        point.content_bytes = i;
        facts.points.push_back(point);
    }
    facts.locked_until[{"web1", "/srv\xFF"}] = 5000;
    return facts;
}

TEST(CatalogTest, GivesBackWhatWasFound) {
    const TemporaryDirectory directory;
    { ASSERT_TRUE(Catalog::open(directory.path()).value()->keep(facts_of("disk", 3)).ok()); }
    const auto catalog = Catalog::open(directory.path()).value();
    const RepositoryFacts found = catalog->repository("disk").value();
    EXPECT_EQ(found.id, "id of disk");
    EXPECT_EQ(found.measured, TimeNs{1000});
    EXPECT_TRUE(found.is_known());
    EXPECT_EQ(found.lock_period, TimeNs{77});
    EXPECT_EQ(found.recovery_key, RecoveryKey::confirmed);
    EXPECT_EQ(found.check.problems, 2u);
    EXPECT_EQ(found.check.never_read_bytes, 100u);
    EXPECT_EQ(found.check.oldest_read, TimeNs{700});
    ASSERT_EQ(found.points.size(), 3u);
    EXPECT_EQ(found.points[0].id, "0");
    EXPECT_EQ(found.points[2].name, "/srv\xFF");
    EXPECT_EQ(found.points[2].time, 998);
    EXPECT_EQ(found.locked_until.at({"web1", "/srv\xFF"}), 5000);
    EXPECT_FALSE(catalog->repository("other").value().measured);
}

TEST(CatalogTest, AnErrorLeavesWhatWasKnown) {
    const TemporaryDirectory directory;
    const auto catalog = Catalog::open(directory.path()).value();
    ASSERT_TRUE(catalog->keep(facts_of("disk", 3)).ok());
    RepositoryFacts failed;
    failed.name = "disk";
    failed.error = "it is away";
    ASSERT_TRUE(catalog->keep(failed).ok());
    RepositoryFacts found = catalog->repository("disk").value();
    EXPECT_FALSE(found.is_known());
    EXPECT_EQ(found.error, "it is away");
    EXPECT_EQ(found.points.size(), 3u);
    // And what goes, goes: with it the mark that something changed.
    RepositoryFacts later = facts_of("disk", 2);
    later.points[1].is_good = false;
    later.points[1].is_held = true;
    later.locked_until.clear();
    ASSERT_TRUE(catalog->keep(later).ok());
    found = catalog->repository("disk").value();
    EXPECT_TRUE(found.is_known());
    ASSERT_EQ(found.points.size(), 2u);
    EXPECT_FALSE(found.points[1].is_good);
    EXPECT_TRUE(found.points[1].is_held);
    EXPECT_TRUE(found.locked_until.empty());
    ASSERT_TRUE(catalog->keep_only({"other"}).ok());
    EXPECT_TRUE(catalog->repository("disk").value().points.empty());
}

TEST(CatalogTest, ADamagedFileIsMadeAnew) {
    const TemporaryDirectory directory;
    ASSERT_TRUE(replace_file(directory.path() + "/catalog.sqlite", as_bytes(std::string(9000, 'x')), 0600).ok());
    const auto catalog = Catalog::open(directory.path()).value();
    ASSERT_TRUE(catalog->keep(facts_of("disk", 1)).ok());
    EXPECT_EQ(catalog->repository("disk").value().points.size(), 1u);
}

TEST(CatalogTest, KeepsTheLastSteps) {
    const TemporaryDirectory directory;
    const auto catalog = Catalog::open(directory.path()).value();
    std::vector<RanStep> steps(10'050);
    for (std::size_t i = 0; i < steps.size(); ++i) steps[i].status = static_cast<int>(i);
    steps.back().error = "no";
    steps.back().seconds = 1.5;
    ASSERT_TRUE(catalog->add(steps).ok());
    const auto all = catalog->ran(100'000).value();
    ASSERT_EQ(all.size(), 10'000u);
    EXPECT_EQ(all.front().status, 10'049);
    EXPECT_EQ(all.front().error, "no");
    EXPECT_EQ(all.front().seconds, 1.5);
    EXPECT_EQ(all.back().status, 50);
    EXPECT_EQ(catalog->ran(2).value().size(), 2u);
}

}  // namespace
}  // namespace holdfast
