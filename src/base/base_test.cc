#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/backoff.h"
#include "base/bounded_queue.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/descriptor_limit.h"
#include "base/file_io.h"
#include "base/mapped_file.h"
#include "base/quantity.h"
#include "base/random.h"
#include "base/result.h"
#include "base/worker_pool.h"
#include "support/temporary_directory.h"

namespace holdfast {
namespace {

Result<int> half(int value) {
    if (value % 2 != 0) return Error(ErrorCode::invalid_argument, "odd");
    return value / 2;
}

Result<int> quarter(int value) {
    HF_TRY(const int once, half(value));
    HF_TRY(const int twice, half(once));
    return twice;
}

TEST(ResultTest, TryPassesValuesAndErrors) {
    EXPECT_EQ(quarter(8).value(), 2);
    EXPECT_EQ(quarter(6).error().code(), ErrorCode::invalid_argument);
}

TEST(ResultTest, ContextIsAddedOutermostLast) {
    const Error error = Error(ErrorCode::corrupt, "bad magic").with_context("reading a pack");
    EXPECT_EQ(std::move(error).describe(), "bad magic (while reading a pack)");
}

TEST(BytesTest, VarintsRoundTripAtTheirEdges) {
    for (const std::uint64_t value : {std::uint64_t{0}, std::uint64_t{127}, std::uint64_t{128},
                                      std::uint64_t{1} << 62, UINT64_MAX}) {
        Bytes data;
        ByteWriter(data).varint(value);
        ByteReader reader(data);
        EXPECT_EQ(reader.varint(), value);
        EXPECT_TRUE(reader.complete());
    }
    for (const std::int64_t value : {INT64_MIN, std::int64_t{-1}, std::int64_t{0}, INT64_MAX})
        EXPECT_EQ(unzigzag(zigzag(value)), value);
}

TEST(BytesTest, OverlongVarintsAndShortReadsFailAndStick) {
    const Bytes overlong(11, 0xff);
    ByteReader reader(overlong);
    EXPECT_EQ(reader.varint(), 0u);
    EXPECT_FALSE(reader.ok());
    EXPECT_EQ(reader.u8(), 0u);
    const Bytes three{1, 2, 3};
    ByteReader short_reader(three);
    EXPECT_EQ(short_reader.u32(), 0u);
    EXPECT_FALSE(short_reader.ok());
}

TEST(BytesTest, HexAndBase64) {
    EXPECT_EQ(to_hex(from_hex("00ff10")), "00ff10");
    EXPECT_TRUE(from_hex("0g").empty());
    EXPECT_EQ(to_base64(as_bytes("a")), "YQ==");
    EXPECT_EQ(to_base64(as_bytes("abcd")), "YWJjZA==");
}

TEST(ClockTest, Rfc3339RoundTrip) {
    for (const char* text : {"2026-11-22T20:46:34Z", "1969-12-31T23:59:59.5Z",
                             "2026-11-22T20:46:34.000000001Z"})
        EXPECT_EQ(format_rfc3339(parse_rfc3339(text).value()), text);
    EXPECT_EQ(format_rfc3339(parse_rfc3339("2026-11-22 10:00+02:00").value()),
              "2026-11-22T08:00:00Z");
    for (const char* text : {"", "yesterday", "2026-13-01", "2026-11-22T25:00:00Z", "2026-11-22x"})
        EXPECT_FALSE(parse_rfc3339(text).ok()) << text;
}

TEST(DescriptorLimitTest, TheTableIsAsLargeAsItWasAskedFor) {
    const auto table_size = [] {
        std::ifstream status("/proc/self/status");
        for (std::string word; status >> word;)
            if (word == "FDSize:") {
                std::size_t size = 0;
                status >> size;
                return size;
            }
        return std::size_t{0};
    };
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    rlimit small = before;
    small.rlim_cur = std::min<rlim_t>(before.rlim_cur, 2000);
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &small), 0);
    ASSERT_LT(table_size(), 700u);
    reserve_descriptors(700);
    EXPECT_GE(table_size(), 700u);
    reserve_descriptors(1u << 30);  // as many as there may be
    EXPECT_GE(table_size(), small.rlim_cur);
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
}

TEST(WorkerPoolTest, RunsEverythingBeforeItIsGone) {
    std::atomic<int> sum = 0;
    {
        WorkerPool pool(3, 2);
        for (int i = 1; i <= 100; ++i)
            pool.submit([&sum, i] { sum += i; });
    }
    EXPECT_EQ(sum, 5050);
}

TEST(WorkerPoolTest, IsIdleWhenEverythingHasRun) {
    WorkerPool pool(3, 2);
    pool.wait_idle();
    std::atomic<int> sum = 0;
    for (int round = 1; round <= 50; ++round) {
        for (int i = 0; i < 20; ++i) pool.submit([&sum] { ++sum; });
        pool.wait_idle();
        EXPECT_EQ(sum, 20 * round);
    }
}

// Nobody makes a file smaller that another one has put in its place, and perhaps has mapped.
TEST(FileTest, ReplacedByManyAtOnceItIsAlwaysWhole) {
    const TemporaryDirectory directory;
    const std::string path = directory.path() + "/file";
    const Bytes data(300'000, 7);
    std::atomic<int> replaced = 0;
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i)
        threads.emplace_back([&] {
            for (int round = 0; round < 100; ++round) {
                const Status status = replace_file(path, data, 0600);
                if (status.ok()) ++replaced;
                else EXPECT_EQ(status.error().code(), ErrorCode::conflict);
                const auto file = MappedFile::open(path);
                if (!file.ok()) continue;  // not there yet
                ASSERT_EQ(file->bytes().size(), data.size());
                EXPECT_TRUE(std::ranges::equal(file->bytes(), data));
            }
        });
    threads.clear();
    EXPECT_GT(replaced, 0);
    EXPECT_TRUE(replace_file(path, data, 0600).ok());
}

TEST(BoundedQueueTest, AbortReleasesBothSides) {
    BoundedQueue<int> queue(1);
    EXPECT_TRUE(queue.push(1));
    std::jthread blocked([&queue] { EXPECT_FALSE(queue.push(2)); });
    queue.abort();
    blocked.join();
    EXPECT_FALSE(queue.pop().has_value());
}

TEST(QuantityTest, IsReadWithItsUnit) {
    EXPECT_EQ(*parse_byte_count("20M"), 20u << 20);
    EXPECT_EQ(*parse_byte_count("7"), 7u);
    EXPECT_EQ(*parse_duration("2d"), 2 * 86'400 * ns_per_second);
    for (const char* const text : {"", "M", "0M", "-1M", "1.5M", "1MB", "1m ", "99999999999T", "18446744073709551616"})
        EXPECT_FALSE(parse_byte_count(text).ok()) << text;
    for (const char* const text : {"", "20", "0s", "1y", "999999999w"}) EXPECT_FALSE(parse_duration(text).ok()) << text;
}

TEST(BackoffTest, WaitsLongerEachTimeAndThenStops) {
    Backoff backoff({ns_per_second / 1000, ns_per_second / 250, ns_per_second / 20}, system_clock(), system_random());
    const TimeNs begin = system_clock().monotonic();
    int waits = 0;
    while (backoff.wait({})) ++waits;
    // At least 0.5, 1 and then 2 ms each; on a busy machine more.
    EXPECT_LE(waits, 27);
    EXPECT_GE(system_clock().monotonic() - begin, (waits - 2) * ns_per_second / 500);
    std::stop_source stop;
    stop.request_stop();
    Backoff stopped({ns_per_second, ns_per_second, 100 * ns_per_second}, system_clock(), system_random());
    EXPECT_FALSE(stopped.wait(stop.get_token()));
}

// Somebody else may own the directory.
TEST(ReplaceFile, WritesToNothingThatWasPutInItsPlace) {
    const TemporaryDirectory directory;
    const std::string path = directory.path() + "/file", victim = directory.path() + "/victim";
    ASSERT_TRUE(replace_file(victim, as_bytes("precious"), 0600).ok());
    const auto expect_written = [&](const char* text) {
        EXPECT_TRUE(replace_file(path, as_bytes(text), 0600).ok());
        EXPECT_EQ(as_text(read_file(path, 100).value()), text);
        EXPECT_EQ(as_text(read_file(victim, 100).value()), "precious");
        EXPECT_TRUE(std::filesystem::is_regular_file(std::filesystem::symlink_status(path)));
    };
    std::filesystem::create_symlink(victim, path + ".new");
    expect_written("one");
    std::filesystem::create_hard_link(victim, path + ".new");
    expect_written("two");
    ASSERT_EQ(::mkfifo((path + ".new").c_str(), 0600), 0);
    expect_written("three");
}

}  // namespace
}  // namespace holdfast
