// Reading the index while requests fail.
#include <gtest/gtest.h>

#include "support/model_backup.h"

namespace holdfast {
namespace {

// Who asks again after a failure must get all of it: what was not read the first time is no hole.
TEST(IndexLoadingTest, WhatFailedIsReadTheNextTime) {
    TestRepository test("", 7);
    Gardener gardener(7, 60);
    ModelNode tree = gardener.plant();
    ModelSource source(tree);
    for (int i = 0; i < 5; ++i) {
        gardener.change(tree, 30);
        test.backup(source, BackupType::incremental);
    }
    test.open();
    const std::set<ObjectId> all = test.repository->index().value()->containers();
    ASSERT_GE(all.size(), 3u);
    for (int lost = 0; lost < 5; ++lost) {
        int reads = 0;
        test.hook = [&](std::string_view operation, const std::string& name) -> Status {
            if (operation != "read" || !name.starts_with("points/") || reads++ != lost) return {};
            return Error(ErrorCode::unavailable, "nobody answers");
        };
        test.open();
        EXPECT_EQ(test.repository->index().error().code(), ErrorCode::unavailable);
        EXPECT_EQ(test.repository->index().value()->containers(), all) << lost;
    }
}

}  // namespace
}  // namespace holdfast
