#include "api/exit_status.h"

#include <gtest/gtest.h>

#include <vector>

namespace holdfast {
namespace {

TEST(ExitStatus, WorstOfMany) {
    using S = ExitStatus;
    const auto worst = [](const std::vector<S>& statuses) { return worst_status(statuses); };
    EXPECT_EQ(worst({}), S::done);
    EXPECT_EQ(worst({S::done, S::done}), S::done);
    EXPECT_EQ(worst({S::done, S::incomplete, S::done}), S::incomplete);
    EXPECT_EQ(worst({S::incomplete, S::busy}), S::busy);
    EXPECT_EQ(worst({S::busy, S::incomplete}), S::busy);
    EXPECT_EQ(worst({S::damaged, S::done, S::damaged}), S::damaged);
    EXPECT_EQ(worst({S::damaged, S::no_space}), S::failed);
    EXPECT_EQ(worst({S::damaged, S::failed}), S::failed);
}

TEST(ExitStatus, OfErrors) {
    EXPECT_EQ(exit_status_of(Error(ErrorCode::not_found, "no repository at /x")), ExitStatus::no_repository);
    EXPECT_EQ(exit_status_of(Error(ErrorCode::not_found, "no such point")), ExitStatus::failed);
    EXPECT_EQ(exit_status_of(Error(ErrorCode::conflict, "")), ExitStatus::busy);
    EXPECT_EQ(exit_status_of(Error(ErrorCode::frozen, "")), ExitStatus::busy);
}

}  // namespace
}  // namespace holdfast
