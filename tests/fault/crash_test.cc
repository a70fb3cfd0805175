// A crash at every call that changes the disk: what was acknowledged is there, and the program goes on.
#include <gtest/gtest.h>

#include <cinttypes>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <random>

#include "fault/disk_model.h"
#include "fault/history.h"

namespace holdfast {
namespace {

// Crash points of one history, in three states each; CI takes four histories.
constexpr std::size_t points_a_history = 500;
constexpr int histories = 4;
// Of so many states, one is gone on with.
constexpr std::uint64_t going_on_one_in = 8;

struct CrashPoint {
    std::uint64_t seed = 0;
    std::size_t calls = 0;  // that were made before
    CrashState state{};

    std::string replay() const {
        return std::to_string(seed) + ':' + std::to_string(calls) + ':' +
               std::to_string(static_cast<unsigned>(state));
    }
};

// HOLDFAST_CRASH=seed:calls:state
std::optional<CrashPoint> given_crash() {
    const char* const text = std::getenv("HOLDFAST_CRASH");
    CrashPoint point;
    unsigned state = 0;
    if (text == nullptr ||
        std::sscanf(text, "%" SCNu64 ":%zu:%u", &point.seed, &point.calls, &state) != 3)
        return std::nullopt;
    point.state = static_cast<CrashState>(state % crash_states);
    return point;
}

using Counts = std::map<std::string, std::size_t>;

// A history whose crashes are tried, in the order of its calls.
class Crashes {
  public:
    explicit Crashes(std::uint64_t seed) : seed_(seed) {
        const std::string root = directory_.path() + "/recorded";
        std::filesystem::create_directory(root);
        begin_boot();
        recorded_ = record_history(seed, root);
    }

    std::size_t calls() const { return recorded_.trace.size(); }
    // So many points, as evenly over the kinds of operations as there are calls in them. Every acknowledgement is
    // among them.
    std::set<std::size_t> sample(std::size_t count) const;
    // All calls before that point.
    void print(std::size_t calls) const;
    // `calls` must not be less than that of the try before. Notes the operation in `counts`.
    std::string try_crash(const CrashPoint& point, Counts& counts);

  private:
    const Recorded::Step& step_of(std::size_t calls) const;

    const std::uint64_t seed_;
    FastDirectory directory_;
    Recorded recorded_;
    DiskModel disk_;
    std::size_t applied_ = 0;
};

// The operation that is interrupted, or that has just been acknowledged.
const Recorded::Step& Crashes::step_of(std::size_t calls) const {
    for (const Recorded::Step& step : recorded_.steps)
        if (calls <= step.end) return step;
    return recorded_.steps.back();
}

std::set<std::size_t> Crashes::sample(std::size_t count) const {
    std::map<std::string, std::vector<std::size_t>> kinds;
    std::set<std::size_t> chosen;
    for (std::size_t calls = 0; calls <= recorded_.trace.size(); ++calls) {
        const Recorded::Step& step = step_of(calls);
        kinds[step.name].push_back(calls);
        if (calls == step.end) chosen.insert(calls);
    }
    std::mt19937_64 random(seed_);
    for (auto& [name, calls] : kinds) std::shuffle(calls.begin(), calls.end(), random);
    // One of each kind in turn, until there are enough.
    for (std::size_t round = 0; chosen.size() < std::min(count, recorded_.trace.size()); ++round)
        for (const auto& [name, calls] : kinds)
            if (round < calls.size()) chosen.insert(calls[round]);
    return chosen;
}

void Crashes::print(std::size_t calls) const {
    for (const Recorded::Step& step : recorded_.steps) {
        if (step.begin >= calls) return;
        std::cout << step.name << '\n';
        for (std::size_t i = step.begin; i < std::min(step.end, calls); ++i)
            std::cout << "  " << i << ' ' << describe(recorded_.trace[i]) << '\n';
    }
}

std::string Crashes::try_crash(const CrashPoint& point, Counts& counts) {
    for (; applied_ < std::min(point.calls, recorded_.trace.size()); ++applied_)
        disk_.apply(recorded_.trace[applied_]);
    const Recorded::Step& step = step_of(point.calls);
    const std::uint64_t seed = (point.seed * 1'000'003 + point.calls) * 31 + static_cast<unsigned>(point.state);
    const Place place{directory_.path() + "/crashed"};
    disk_.write_to(place.root, point.state, seed);
    begin_boot();
    const bool is_acknowledged = point.calls == step.end;
    const std::string wrong =
        wrong_with(place, is_acknowledged ? step.after : step.before, step.after,
                   seed % going_on_one_in == 0 ? Trial::go_on : Trial::look, seed);
    std::filesystem::remove_all(place.root);
    if (point.state == CrashState::all_written) ++counts[step.name];
    if (wrong.empty()) return "";
    const std::string call = point.calls == 0 ? "nothing" : describe(recorded_.trace[point.calls - 1]);
    return wrong + "\n  " + name_of(point.state) + ", in " + step.name +
           (is_acknowledged ? " (acknowledged)" : "") + " after " + call +
           "\n  again: HOLDFAST_CRASH=" + point.replay();
}

TEST(CrashTest, WhatWasAcknowledgedSurvives) {
    const auto given = given_crash();
    Counts counts;
    if (given) {
        Crashes crashes(given->seed);
        crashes.print(given->calls);
        EXPECT_EQ(crashes.try_crash(*given, counts), "");
        return;
    }
    const char* const seed_text = std::getenv("HOLDFAST_TEST_SEED");
    const char* const rounds = std::getenv("HOLDFAST_TEST_ROUNDS");
    const int count = seed_text != nullptr ? 1 : histories * (rounds != nullptr ? std::atoi(rounds) : 1);
    const std::size_t sampled = points_a_history * HOLDFAST_PROPERTY_CASES / 30;
    std::size_t failures = 0, states = 0;
    std::set<std::string> kinds;
    for (int i = 0; i < count && failures < 10; ++i) {
        const std::uint64_t seed =
            seed_text != nullptr ? std::strtoull(seed_text, nullptr, 10) : std::random_device()();
        SCOPED_TRACE("HOLDFAST_TEST_SEED=" + std::to_string(seed));
        Crashes crashes(seed);
        for (const std::size_t calls : crashes.sample(seed_text != nullptr ? SIZE_MAX : sampled))
            for (unsigned state = 0; state < crash_states && failures < 10; ++state, ++states) {
                const std::string wrong =
                    crashes.try_crash({seed, calls, static_cast<CrashState>(state)}, counts);
                // One of a kind is enough.
                if (wrong.empty() || !kinds.insert(wrong.substr(0, 20)).second) continue;
                ADD_FAILURE() << wrong;
                ++failures;
            }
    }
    std::size_t total = 0;
    for (const auto& [name, tried] : counts) {
        std::cout << "  " << name << ": " << tried << " crash points\n";
        total += tried;
    }
    std::cout << "  all: " << total << " crash points, " << states << " states, " << count << " histories\n";
}

}  // namespace
}  // namespace holdfast
