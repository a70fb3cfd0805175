// What tests of prune share: what each restore point must be, and others that go on beside a backup.
#pragma once

#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "repository/prune.h"
#include "support/model_backup.h"

namespace holdfast {

inline const WriterIdentity pruner{"pruner", "a machine", "a boot", 1, 1};

inline Result<PruneReport> try_prune(TestRepository& test, PruneOptions options = {}) {
    Progress progress;
    return run_prune(*test.repository, options, pruner, progress, {});
}

inline PruneReport prune(TestRepository& test, PruneOptions options = {}) {
    auto report = try_prune(test, std::move(options));
    if (!report.ok()) throw std::runtime_error(report.error().describe());
    return *report;
}

// What each restore point must be.
using Expected = std::map<RestorePointId, ModelNode>;

// The first point that is not what it must be, or nothing.
inline std::string wrong_point(TestRepository& test, const Expected& expected) {
    const auto points = test.repository->points(std::nullopt).value();
    std::size_t seen = 0;
    for (const PointInfo& point : points) {
        const auto found = expected.find(point.id);
        if (found == expected.end()) continue;
        ++seen;
        const std::string what = difference(*test.repository, found->second, point.record.root, "");
        if (!what.empty()) return point.id.hex().substr(0, 8) + what;
    }
    return seen == expected.size() ? "" : "restore points are missing, or doubled";
}

// The first thing that is wrong, or nothing.
inline std::string wrong_with(TestRepository& test, const Expected& expected) {
    if (std::string what = wrong_point(test, expected); !what.empty()) return what;
    const CheckReport check = test.check();
    return check.problem_count == 0 ? "" : check.problems.front();
}

inline void remove_one(TestRepository& test, Expected& expected, std::uint64_t which) {
    const auto points = test.repository->points(std::nullopt).value();
    auto it = expected.begin();
    std::advance(it, static_cast<std::ptrdiff_t>(which % expected.size()));
    for (const PointInfo& point : points)
        if (point.id == it->first)
            (void)test.repository->set_mark(point, MarkKind::deleted, "test").ok();
    expected.erase(it);
}

// A source during whose walk something else happens.
class InterruptedSource final : public Source {
  public:
    InterruptedSource(Source& source, std::function<void()> event)
        : source_(source), event_(std::move(event)) {}
    Result<std::unique_ptr<SourceStream>> walk() override {
        HF_TRY(auto stream, source_.walk());
        return std::unique_ptr<SourceStream>(
            std::make_unique<Stream>(std::move(stream), std::exchange(event_, nullptr)));
    }
    Result<std::unique_ptr<SourceFile>> open(const SourceEvent& event) override {
        return source_.open(event);
    }
    Status complete(const SourceEvent& event, Metadata& metadata) override {
        return source_.complete(event, metadata);
    }

  private:
    struct Stream final : SourceStream {
        Stream(std::unique_ptr<SourceStream> s, std::function<void()> e)
            : stream(std::move(s)), event(std::move(e)) {}
        std::unique_ptr<SourceStream> stream;
        std::function<void()> event;
        Status next(std::vector<SourceEvent>& batch) override {
            if (event) std::exchange(event, nullptr)();
            return stream->next(batch);
        }
    };
    Source& source_;
    std::function<void()> event_;
};

// A second process at the same storage.
struct OtherProcess {
    TestRepository& test;
    std::unique_ptr<Repository> repository;

    explicit OtherProcess(TestRepository& of)
        : test(of),
          repository(Repository::open(std::make_unique<HookedStorage>(
                                          of.storage, [](std::string_view, const std::string&) {
                                              return ok_status();
                                          }),
                                      of.unlock, "", of.clock, system_random())
                         .value()) {}
    Result<PruneReport> prune() {
        Progress progress;
        return run_prune(*repository, {}, pruner, progress, {});
    }
};

// A prune in a thread of its own, which stops before a request; it may die after that.
class StoppedPrune {
  public:
    enum class End { completes, dies, either };
    StoppedPrune(TestRepository& test, std::string operation, std::string folder, End end = End::completes,
                 PruneOptions options = {}, const WriterIdentity& identity = pruner)
        : operation_(std::move(operation)), folder_(std::move(folder)), end_(end), options_(std::move(options)),
          identity_(identity) {
        auto storage = std::make_unique<HookedStorage>(
            test.storage, [this](std::string_view asked, const std::string& name) -> Status {
                if (has_stopped_ && end_ == End::dies) return Error(ErrorCode::unavailable, "killed");
                if (asked != operation_ || !name.starts_with(folder_) || std::exchange(has_stopped_, true))
                    return {};
                stopped_.set_value();
                go_on_.get_future().wait();
                return {};
            });
        repository_ =
            Repository::open(std::move(storage), test.unlock, "", test.clock, system_random()).value();
    }
    void run_until_it_stops() {
        thread_ = std::jthread([this] {
            Progress progress;
            const auto pruned = run_prune(*repository_, options_, identity_, progress, {});
            if (end_ != End::either) {
                EXPECT_EQ(pruned.ok(), end_ == End::completes);
            }
        });
        stopped_.get_future().wait();
    }
    void go_on() {
        go_on_.set_value();
        thread_.join();
    }

  private:
    const std::string operation_, folder_;
    const End end_;
    const PruneOptions options_;
    const WriterIdentity identity_;
    bool has_stopped_ = false;
    std::promise<void> stopped_, go_on_;
    std::unique_ptr<Repository> repository_;
    std::jthread thread_;
};

// Three directories that stand in nodes of their own.
inline ModelNode three_directories(TimeNs mtime) {
    std::mt19937_64 random(5);
    std::uint64_t inode = 1;
    ModelNode root;
    root.metadata.type = EntryType::directory;
    root.metadata.inode = inode++;
    for (const char* const name : {"a", "b", "c"}) {
        ModelNode& directory = root.children[name];
        directory.metadata = root.metadata;
        directory.metadata.inode = inode++;
        for (int i = 0; i < 100; ++i) {
            ModelNode& file = directory.children["a rather long name " + std::to_string(i)];
            file.metadata.inode = inode++;
            file.metadata.mtime = file.metadata.ctime = mtime;
            file.content.resize(1500);
            for (std::uint8_t& byte : file.content) byte = static_cast<std::uint8_t>(random());
            file.metadata.size = file.content.size();
        }
    }
    return root;
}

struct Race {
    TestRepository test;
    Gardener gardener{7, 200};
    ModelNode tree = gardener.plant();
    ModelSource source{tree};
    Expected expected;

    // The only point is deleted while the next backup, which has taken it for its parent, walks.
    void remove_all() {
        const OtherProcess other(test);
        const auto points = other.repository->points(std::nullopt).value();
        for (const PointInfo& point : points)
            ASSERT_TRUE(other.repository->set_mark(point, MarkKind::deleted, "test").ok());
    }
};

}  // namespace holdfast
