// Which of many writers folds, and what one does with the leases of others.
#include <gtest/gtest.h>

#include "repository/leases.h"
#include "support/model_backup.h"

namespace holdfast {
namespace {

// What 200 backups leave.
struct Left {
    std::size_t folds = 0, unfolded = 0;
};

Left left_after_backups(const std::vector<WriterIdentity>& others) {
    TestRepository test("", 5);
    for (const WriterIdentity& other : others) Lease::take(*test.repository, other).value();
    ModelNode tree = Gardener(5, 3).plant();
    ModelSource source(tree);
    constexpr std::size_t backups = 200;
    for (std::size_t i = 0; i < backups; ++i) test.backup(source, BackupType::incremental);
    Left left;
    std::set<RestorePointId> folded;
    test.open();
    const auto fragments = test.repository->index().value()->fragments();
    for (const auto& fragment : fragments) {
        if (fragment->record().tier == 0) continue;
        ++left.folds;
        for (const FoldedPoint& point : fragment->record().points) folded.insert(point.id);
    }
    left.unfolded = backups - folded.size();
    return left;
}

TEST(FoldTest, WhoIsAloneFoldsWhenSixteenWait) {
    const Left left = left_after_backups({});
    EXPECT_EQ(left.folds, 200u / 16);
    EXPECT_EQ(left.unfolded, 200u % 16);
}

// All of them see sixteen points that wait, and each would store a fold of the same.
TEST(FoldTest, OfManyWritersOneFolds) {
    std::vector<WriterIdentity> others;
    for (std::uint64_t i = 1; i < 16; ++i) others.push_back({"elsewhere", "another machine", "a boot", i, i});
    const Left left = left_after_backups(others);
    EXPECT_LT(left.folds, 200u / 16) << "one in sixteen folds";
    EXPECT_GE(left.folds, 200u / (4 * 16)) << "when 64 wait, everybody does";
    EXPECT_LT(left.unfolded, 64u);
}

// Its lease was read, and its process has ended since: that is no session that died.
TEST(FoldTest, WhoEndsMeanwhileHasLeftNothing) {
    for (const bool gives_back : {true, false}) {
        TestRepository test("", 6);
        ModelNode tree = Gardener(6, 3).plant();
        ModelSource source(tree);
        WriterIdentity other = this_process("host");
        ++other.process_started;
        Lease lease = Lease::take(*test.repository, other).value();
        std::size_t leftovers = 0;
        test.hook = [&](std::string_view operation, const std::string& name) -> Status {
            if (operation == "put" && name.starts_with("leases/") && gives_back) test.storage->remove("leases/" + lease.session().hex() + "-0");
            if (operation == "list" && name == "data/" + lease.session().hex() + '/') ++leftovers;
            return {};
        };
        test.backup(source, BackupType::incremental);
        EXPECT_EQ(leftovers, gives_back ? 0u : 1u);
        EXPECT_TRUE(list_objects(*test.storage, "leases/").value().empty());
    }
}

}  // namespace
}  // namespace holdfast
