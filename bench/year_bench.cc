// A year of small files (support/small_file_year.h): what a restore of the last day's point costs, as a multiple
// of one of the first day's. Both repositories are copied into TMPDIR, and restored there, by turns.
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "base/clock.h"
#include "restore/restore.h"
#include "storage/local/local_storage.h"
#include "support/small_file_year.h"
#include "support/temporary_directory.h"

namespace holdfast {
namespace {

constexpr int rounds = 31;

template <typename T>
T must(Result<T> result) {
    if (!result.ok()) throw std::runtime_error(result.error().describe());
    return std::move(result).value();
}

double cpu_ms() {
    struct rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    const auto ms = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_usec) / 1e3;
    };
    return ms(usage.ru_utime) + ms(usage.ru_stime);
}

// A repository as it was on one day, on disk.
class Day {
  public:
    explicit Day(TestRepository& test) : unlock_(test.unlock) {
        const auto storage = must(LocalStorage::open(path(), OpenMode::create));
        for (const ObjectInfo& object : must(list_objects(*test.storage, ""))) {
            const Bytes data = must(test.storage->get(object.name, object.bytes));
            if (!storage->put(object.name, data, Durability::none).ok())
                throw std::runtime_error("no space");
        }
    }

    struct Cost {
        double wall_ms = 0, cpu_ms = 0;
        std::uint64_t reads = 0;
    };
    // Opens the repository and restores its newest point, all of it.
    Cost restore() {
        const TemporaryDirectory target;
        Cost cost;
        const auto count = [&cost](std::string_view operation, const std::string&) -> Status {
            if (operation == "read" || operation == "get") ++cost.reads;
            return {};
        };
        const double cpu = cpu_ms();
        const TimeNs wall = system_clock().monotonic();
        const auto repository = must(Repository::open(
            std::make_unique<HookedStorage>(must(LocalStorage::open(path(), OpenMode::existing)), count),
            unlock_, "", system_clock(), system_random()));
        const auto point = must(repository->latest(
            repository->keyring().source_id("host", "name"),
            [](const PointInfo&) { return Repository::Choice::take; }));
        RestoreOptions options;
        options.target = target.path();
        Progress progress;
        const RestoreReport report =
            must(run_restore(*repository, point.at(0).record.root, options, progress, {}));
        cost.wall_ms = static_cast<double>(system_clock().monotonic() - wall) / 1e6;
        cost.cpu_ms = cpu_ms() - cpu;
        if (report.files != SmallFileYear::file_count || report.problem_count != 0)
            throw std::runtime_error("not all was restored");
        return cost;
    }

  private:
    std::string path() const { return directory_.path() + "/repository"; }

    const TemporaryDirectory directory_;
    const Unlock unlock_;
};

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

int run() {
    const TemporaryDirectory cache;
    SmallFileYear year(cache.path());
    year.next_day();
    Day first(year.test);
    for (std::size_t day = 1; day < SmallFileYear::days; ++day) year.next_day();
    Day last(year.test);
    std::vector<double> wall[3], cpu[3];
    std::uint64_t reads[2] = {};
    for (int round = 0; round < rounds; ++round) {
        Day::Cost costs[2];
        // Which one comes first changes, too.
        for (int i = 0; i < 2; ++i) {
            const int which = (i + round) % 2;
            costs[which] = (which == 0 ? first : last).restore();
            wall[which].push_back(costs[which].wall_ms);
            cpu[which].push_back(costs[which].cpu_ms);
            reads[which] = costs[which].reads;
        }
        wall[2].push_back(costs[1].wall_ms / costs[0].wall_ms);
        cpu[2].push_back(costs[1].cpu_ms / costs[0].cpu_ms);
    }
    const char* const names[] = {"day 1", "day 365"};
    for (int i = 0; i < 2; ++i)
        std::printf("restore of %s: %.1f ms wall, %.1f ms CPU, %llu requests to the storage\n", names[i],
                    median(wall[i]), median(cpu[i]), static_cast<unsigned long long>(reads[i]));
    std::printf("last / first, medians of %d pairs: wall %.2f, CPU %.2f (at most 1.5)\n", rounds,
                median(wall[2]), median(cpu[2]));
    return median(cpu[2]) <= 1.5 ? 0 : 1;
}

}  // namespace
}  // namespace holdfast

int main() {
    try {
        return holdfast::run();
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 2;
    }
}
