#include "base/subprocess.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

Result<int> run(ShellCommand command, std::stop_token stop = {}) {
    return run_shell_command(command, system_clock(), stop);
}

TEST(Subprocess, Status) {
    EXPECT_EQ(run({"exit 0", {}, "", 0}).value(), 0);
    EXPECT_EQ(run({"exit 7", {}, "", 0}).value(), 7);
    EXPECT_EQ(run({"kill -9 $$", {}, "", 0}).value(), 137);
    EXPECT_EQ(run({"/no/such/program", {}, "", 0}).value(), 127);
}

TEST(Subprocess, InputAndVariables) {
    const std::string large(3'000'000, 'x');
    EXPECT_EQ(run({"test \"$(wc -c)\" = 3000000", {}, large, 0}).value(), 0);
    EXPECT_EQ(run({"exit 0", {}, large, 0}).value(), 0) << "nobody reads it";
    EXPECT_EQ(run({"test \"$NAME\" = 'a b' && test -n \"$PATH\"", {{"NAME", "a b"}}, "", 0}).value(), 0);
    EXPECT_EQ(run({"test -z \"$(cat)\"", {}, "", 0}).value(), 0);
}

TEST(Subprocess, TimeoutEndsWhatItHasStarted) {
    const TimeNs start = system_clock().monotonic();
    const auto result = run({"sleep 100 & sleep 100", {}, "", ns_per_second / 10});
    EXPECT_EQ(result.error().code(), ErrorCode::unavailable);
    EXPECT_LT(system_clock().monotonic() - start, 60 * ns_per_second);
}

TEST(Subprocess, Stop) {
    std::stop_source stop;
    stop.request_stop();
    EXPECT_EQ(run({"sleep 100", {}, "", 0}, stop.get_token()).error().code(), ErrorCode::cancelled);
}

}  // namespace
}  // namespace holdfast
