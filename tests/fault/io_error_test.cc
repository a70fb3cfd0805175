// A call that fails, once or with all that follow it: the operation says so, loses nothing, and can be repeated.
#include <gtest/gtest.h>

#include <algorithm>
#include <cinttypes>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <random>

#include "fault/disk_model.h"
#include "fault/history.h"

namespace holdfast {
namespace {

// Failing calls of one history; CI takes two histories.
constexpr std::size_t faults_a_history = 700;
constexpr int histories = 2;

using Counts = std::map<std::string, std::array<std::size_t, 2>>;  // of an operation: tried, and harmless

// A history, and each of its operations again with a fault.
class Faults {
  public:
    explicit Faults(std::uint64_t seed) : seed_(seed), operations_(operations_of(seed)) {
        const std::string root = directory_.path() + "/recorded";
        std::filesystem::create_directory(root);
        begin_boot();
        recorded_ = record_history(seed, root);
    }

    std::size_t steps() const { return operations_.size(); }
    const std::string& name(std::size_t step) const { return recorded_.steps[step].name; }
    // How many calls the operation makes.
    std::size_t calls(std::size_t step) const {
        return recorded_.steps[step].end - recorded_.steps[step].begin;
    }
    bool was_killed(std::size_t step) const { return operations_[step].killed_after.has_value(); }
    // What is wrong, or nothing. Steps in their order.
    std::string try_fault(std::size_t step, const Fault& fault, Counts& counts);

  private:
    std::string after_fault(std::size_t step, const Fault& fault, Counts& counts);
    // What a crash at once would leave: a sync that failed must not count for one.
    std::string after_crash(std::size_t step,
                            const Recording::Files& files_before,
                            const Trace& trace,
                            const Promise& promised,
                            const Promise& after);

    const std::uint64_t seed_;
    const std::vector<Operation> operations_;
    FastDirectory directory_;
    const Place place_{directory_.path() + "/faulty"};
    Recorded recorded_;
    DiskModel disk_;
    std::size_t applied_ = 0;
};

// What the user is told: the code of the error that was injected, not one of something else.
bool is_expected(ErrorCode code, int error, const std::string& call) {
    if (call.starts_with("read etc/keys/") && code == ErrorCode::wrong_key) return true;
    return code == (error == ENOSPC ? ErrorCode::out_of_space : ErrorCode::unavailable);
}

std::string Faults::try_fault(std::size_t step, const Fault& fault, Counts& counts) {
    for (; applied_ < recorded_.steps[step].begin; ++applied_) disk_.apply(recorded_.trace[applied_]);
    disk_.write_to(place_.root, CrashState::all_written, 0);
    const std::string wrong = after_fault(step, fault, counts);
    std::filesystem::remove_all(place_.root);
    if (wrong.empty()) return "";
    return wrong + "\n  in " + name(step) + " when call " + std::to_string(fault.at) + " failed with " +
           std::to_string(fault.error) + (fault.is_lasting ? " for good" : " once") +
           (fault.fails_reads ? " (a read)" : "") + "\n  again: HOLDFAST_FAULT=" + std::to_string(seed_) +
           ':' + std::to_string(step) + ':' + std::to_string(fault.at) + ':' +
           std::to_string(fault.error) + ':' + std::to_string(fault.is_lasting) + ':' +
           std::to_string(fault.fails_reads);
}

std::string Faults::after_fault(std::size_t step, const Fault& fault, Counts& counts) {
    const Promise& before = recorded_.steps[step].before;
    Promise after = before;
    const std::uint64_t seed = seed_ + step;
    begin_process();
    Recording recording(place_.root, fault);
    const Status done = operations_[step].run(place_, after, seed);
    const std::string failed = recording.failed_call();
    const Trace trace = recording.take();
    if (failed.empty()) return done.ok() ? "" : done.error().describe() + " without a fault";
    ++counts[name(step)][0];
    if (done.ok()) ++counts[name(step)][1];
    else if (!is_expected(done.error().code(), fault.error, failed))
        return failed + " -> " + std::string(error_code_name(done.error().code())) + ": " +
               done.error().describe();
    const Promise& promised = done.ok() ? after : before;
    if (!done.ok()) after = recorded_.steps[step].after;
    std::string wrong = after_crash(step, recording.files_before(), trace, promised, after);
    if (!wrong.empty()) return "after " + failed + " and a crash: " + wrong;
    begin_process();
    wrong = wrong_with(place_, promised, after, Trial::look, seed);
    if (!wrong.empty()) return "after " + failed + (done.ok() ? " (no matter): " : ": ") + wrong;
    // Whether an init can be repeated has just been seen.
    if (done.ok() || !before.is_there) return "";
    Promise again = before;
    again.now += 3600 * ns_per_second;
    begin_process();
    const Status repeated = operations_[step].run(place_, again, seed + 1);
    if (!repeated.ok()) return "after " + failed + ", again: " + repeated.error().describe();
    begin_process();
    wrong = wrong_with(place_, again, again, Trial::look, seed);
    return wrong.empty() ? "" : "after " + failed + ", again: " + wrong;
}

std::string Faults::after_crash(std::size_t step,
                                const Recording::Files& files_before,
                                const Trace& trace,
                                const Promise& promised,
                                const Promise& after) {
    DiskModel disk = disk_.as_synced(files_before);
    for (const SystemCall& call : trace) disk.apply(call);
    const Place place{directory_.path() + "/crashed"};
    disk.write_to(place.root, CrashState::only_synced, 0);
    begin_boot();
    const std::string wrong = wrong_with(place, promised, after, Trial::look, seed_ + step);
    std::filesystem::remove_all(place.root);
    return wrong;
}

// HOLDFAST_FAULT=seed:step:call:errno:lasting:read
bool try_given() {
    const char* const text = std::getenv("HOLDFAST_FAULT");
    std::uint64_t seed = 0;
    std::size_t step = 0;
    Fault fault;
    int lasting = 0, reads = 0;
    if (text == nullptr || std::sscanf(text, "%" SCNu64 ":%zu:%zu:%d:%d:%d", &seed, &step, &fault.at,
                                       &fault.error, &lasting, &reads) != 6)
        return false;
    fault.is_lasting = lasting != 0;
    fault.fails_reads = reads != 0;
    Counts counts;
    EXPECT_EQ(Faults(seed).try_fault(step, fault, counts), "");
    return true;
}

// So many faults, as evenly over the kinds of operations as there are calls; in the order of the steps.
std::vector<std::pair<std::size_t, Fault>> sample(const Faults& faults, std::uint64_t seed, std::size_t count) {
    std::mt19937_64 random(seed);
    std::map<std::string, std::vector<std::pair<std::size_t, Fault>>> kinds;
    std::size_t all = 0;
    for (std::size_t step = 0; step < faults.steps(); ++step) {
        if (faults.was_killed(step)) continue;
        for (std::size_t call = 0; call < faults.calls(step); ++call, all += 4)
            for (const int error : {EIO, ENOSPC})
                for (const bool is_lasting : {false, true})
                    kinds[faults.name(step)].push_back({step, {call, error, is_lasting}});
        // A slot that cannot be read shuts out no other: it counts as one that is not there.
        if (faults.calls(step) == 0 || faults.name(step).starts_with("remove ")) continue;
        for (int i = 0; i < 4; ++i, ++all)
            kinds[faults.name(step)].push_back({step, {random() % 50, EIO, i % 2 == 0, true}});
    }
    for (auto& [name, tries] : kinds) std::shuffle(tries.begin(), tries.end(), random);
    std::vector<std::pair<std::size_t, Fault>> chosen;
    for (std::size_t round = 0; chosen.size() < std::min(count, all); ++round)
        for (const auto& [name, tries] : kinds)
            if (round < tries.size()) chosen.push_back(tries[round]);
    std::stable_sort(chosen.begin(), chosen.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    return chosen;
}

TEST(IoErrorTest, AFailureIsToldAndLosesNothing) {
    if (try_given()) return;
    const char* const seed_text = std::getenv("HOLDFAST_TEST_SEED");
    const char* const rounds = std::getenv("HOLDFAST_TEST_ROUNDS");
    const int count = seed_text != nullptr ? 1 : histories * (rounds != nullptr ? std::atoi(rounds) : 1);
    const std::size_t sampled =
        seed_text != nullptr ? SIZE_MAX : faults_a_history * HOLDFAST_PROPERTY_CASES / 30;
    Counts counts;
    std::set<std::string> kinds;  // of failures: one of each is enough
    for (int i = 0; i < count && kinds.size() < 10; ++i) {
        const std::uint64_t seed =
            seed_text != nullptr ? std::strtoull(seed_text, nullptr, 10) : std::random_device()();
        Faults faults(seed);
        for (const auto& [step, fault] : sample(faults, seed, sampled)) {
            const std::string wrong = faults.try_fault(step, fault, counts);
            if (wrong.empty() || !kinds.insert(faults.name(step) + wrong.substr(0, 12)).second) continue;
            ADD_FAILURE() << wrong;
            if (kinds.size() >= 10) break;
        }
    }
    for (const auto& [name, tried] : counts)
        std::cout << "  " << name << ": " << tried[0] << " failing calls, " << tried[1] << " of no matter\n";
}

}  // namespace
}  // namespace holdfast
