#include "repository/leases.h"

#include <gtest/gtest.h>

#include "storage/memory/memory_storage.h"

namespace holdfast {
namespace {

class LeaseTest : public testing::Test {
  protected:
    LeaseTest() {
        auto storage = std::make_unique<MemoryStorage>();
        Unlock unlock;
        unlock.key_file =
            Repository::init(*storage, nullptr, std::nullopt, Repository::keep_nothing, system_clock(), system_random())
                .value()
                .key_file;
        repository_ =
            Repository::open(std::move(storage), unlock, "", system_clock(), system_random()).value();
    }
    // Whether this process takes the session of `writer` for dead.
    bool is_dead(const WriterIdentity& writer) {
        Lease lease = Lease::take(*repository_, writer).value();
        const auto leases = list_leases(*repository_).value();
        lease.give_back();
        return is_dead_here(leases.at(0).record.value(), own_);
    }

    std::unique_ptr<Repository> repository_;
    const WriterIdentity own_ = this_process("host");
};

TEST_F(LeaseTest, AProcessThatIsGoneIsDead) {
    EXPECT_FALSE(is_dead(own_));
    WriterIdentity other = own_;
    ++other.process_started;
    EXPECT_TRUE(is_dead(other));
    other = own_;
    other.boot_id = "before";
    EXPECT_TRUE(is_dead(other));
    other = own_;
    other.machine_id = "another";
    ++other.process_started;
    EXPECT_FALSE(is_dead(other));
}

// Two containers of one image: the process id of one is another process in the other, or none.
TEST_F(LeaseTest, NobodyJudgesProcessesOfAnotherNamespace) {
    ASSERT_TRUE(own_.pid_namespace.starts_with("pid:[")) << own_.pid_namespace;
    WriterIdentity other = own_;
    other.pid_namespace = "pid:[1]";
    ++other.process_started;
    EXPECT_FALSE(is_dead(other));
    other.boot_id = "before";
    EXPECT_FALSE(is_dead(other));
    // As a program wrote it that did not know of namespaces.
    other = own_;
    other.pid_namespace.clear();
    ++other.process_started;
    EXPECT_FALSE(is_dead(other));
}

}  // namespace
}  // namespace holdfast
