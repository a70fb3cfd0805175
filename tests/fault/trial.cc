// What a state must be: the second half of history.h.
#include <algorithm>

#include "fault/operations.h"
#include "repository/prune.h"

namespace holdfast {
namespace {

using Point = Promise::Point;

// A repository after a fault, and what it must be.
class StateTrial {
  public:
    StateTrial(const Place& place, const Promise& before, const Promise& after, std::uint64_t seed)
        : place_(place), promise_(common(before, after)), seed_(seed) {
        promise_.now += 60 * ns_per_second;
    }
    std::string run(Trial trial) {
        std::string wrong = look(trial == Trial::go_on);
        if (wrong.empty() && trial == Trial::go_on) wrong = go_on();
        return wrong;
    }

  private:
    // What both of them say.
    static Promise common(const Promise& before, const Promise& after);
    std::string look(bool compares_all);
    std::string look_at_keys();
    std::string look_at_points(Repository& repository, bool compares_all);
    std::string check(Repository& repository) const;
    std::string begin_again();
    std::string go_on();

    const Place& place_;
    Promise promise_;
    const std::uint64_t seed_;
    bool lacks_config_ = false;  // one of its copies: init was not acknowledged
};

Promise StateTrial::common(const Promise& before, const Promise& after) {
    Promise both = before;
    both.now = std::max(before.now, after.now);
    both.is_damaged = before.is_damaged || after.is_damaged;
    both.points.clear();
    for (const Point& point : before.points) {
        const auto other = std::find_if(after.points.begin(), after.points.end(),
                                        [&](const Point& p) { return p.id == point.id; });
        if (other == after.points.end() || other->is_deleted != point.is_deleted) continue;
        both.points.push_back(point);
        both.points.back().is_held = point.is_held && other->is_held;
    }
    std::erase_if(both.keys, [&](const std::string& key) { return !after.keys.contains(key); });
    std::erase_if(both.clients, [&](const std::string& key) { return !after.clients.contains(key); });
    std::erase_if(both.passphrases,
                  [&](const std::string& text) { return !after.passphrases.contains(text); });
    return both;
}

// An init that was not acknowledged has made a repository, or nothing that is in the way of another one.
std::string StateTrial::begin_again() {
    Process process(promise_.now, seed_);
    promise_.keys = {"first"};
    if (process.open(place_, promise_).ok()) {
        promise_.is_there = true;
        Storage& storage = process.repository->storage();
        lacks_config_ = !storage.head("config").ok() || !storage.head("config.2").ok();
        return "";
    }
    // Its key file may be there, and is never overwritten.
    const Status again = init(place_, promise_, "other");
    return again.ok() ? "" : "init again: " + again.error().describe();
}

std::string StateTrial::look(bool compares_all) {
    if (!promise_.is_there) {
        const std::string wrong = begin_again();
        if (!wrong.empty()) return wrong;
    }
    if (promise_.is_damaged) {
        // Another run than the one that failed: it draws other ids.
        const Status repaired = repair(place_, promise_, ~seed_);
        if (!repaired.ok()) return "repair: " + repaired.error().describe();
    }
    Process process(promise_.now, seed_);
    const Status opened = process.open(place_, promise_);
    if (!opened.ok()) return "open: " + opened.error().describe();
    std::string wrong = look_at_keys();
    if (wrong.empty()) wrong = look_at_points(*process.repository, compares_all);
    if (wrong.empty()) wrong = check(*process.repository);
    return wrong;
}

std::string StateTrial::look_at_keys() {
    const auto opens = [&](const Unlock& unlock) {
        return Process(promise_.now, seed_).open(place_, unlock, "").ok();
    };
    std::set<std::string> names = promise_.keys;
    names.insert(promise_.clients.begin(), promise_.clients.end());
    for (const std::string& name : names) {
        const auto unlock = read_key(place_, name);
        if (!unlock.ok()) return "the key file " + name + ": " + unlock.error().describe();
        if (!opens(*unlock)) return "the key " + name + " does not open it";
    }
    for (const auto& [name, secret] : promise_.removed_keys)
        if (opens({secret, std::nullopt, std::nullopt})) return "the removed key " + name + " opens it";
    for (const std::string& text : promise_.passphrases)
        if (!opens({std::nullopt, std::nullopt, text})) return "the passphrase does not open it";
    for (const std::string& text : promise_.removed_passphrases)
        if (opens({std::nullopt, std::nullopt, text})) return "a removed passphrase opens it";
    return "";
}

std::string StateTrial::look_at_points(Repository& repository, bool compares_all) {
    const auto listed = repository.points(std::nullopt);
    if (!listed.ok()) return "list: " + listed.error().describe();
    std::map<RestorePointId, PointInfo> there;
    for (const PointInfo& point : *listed) there.emplace(point.id, point);
    std::vector<std::pair<Point, Entry>> whole;
    for (const Point& point : promise_.points) {
        const std::string name = "restore point " + point.id.hex().substr(0, 12);
        const auto found = there.find(point.id);
        if (point.is_deleted) {
            // It may be pruned.
            if (found != there.end() && !found->second.is_deleted) return name + " came back";
            continue;
        }
        if (found == there.end()) return name + " is lost";
        const PointInfo& info = found->second;
        if (info.is_damaged) return name + ": " + info.damage->describe();
        if (info.is_deleted) return name + " is deleted";
        if (info.is_unverified) return name + " is unverified";
        if (point.is_held && !info.is_held) return name + " is no more held";
        whole.emplace_back(point, info.record.root);
    }
    for (std::size_t i = 0; i < whole.size(); ++i) {
        if (!compares_all && i != seed_ % whole.size()) continue;
        const std::string wrong = difference(repository, *whole[i].first.tree, whole[i].second, "");
        if (!wrong.empty()) return "restore point " + whole[i].first.id.hex().substr(0, 12) + wrong;
    }
    return "";
}

std::string StateTrial::check(Repository& repository) const {
    Progress progress;
    CheckOptions options;
    options.depth = CheckDepth::data;
    options.threads = 1;
    const auto report = run_check(repository, options, progress, {});
    if (!report.ok()) return "check: " + report.error().describe();
    // A repository that nobody was told of, and that opens by the other copy.
    if (lacks_config_ && report->problem_count == 1) return "";
    return report->problem_count == 0 ? "" : "check: " + report->problems.front();
}

// The program is used on, without anybody mending anything.
std::string StateTrial::go_on() {
    begin_process();
    const Tree tree =
        promise_.points.empty() ? std::make_shared<const ModelNode>(Gardener(seed_, 30).plant())
                                : promise_.points[seed_ % promise_.points.size()].tree;
    const Status backed_up = back_up(place_, promise_, seed_, tree, Walk::fast);
    if (!backed_up.ok()) return "the next backup: " + backed_up.error().describe();
    begin_process();
    const Status client = back_up_as_client(place_, promise_, seed_ + 2, tree, Walk::fast);
    if (!client.ok()) return "the client's next backup: " + client.error().describe();
    begin_process();
    const Status pruned = prune(place_, promise_, seed_ + 1, 0);
    if (!pruned.ok()) return "the next prune: " + pruned.error().describe();
    const std::string wrong = look(true);
    return wrong.empty() ? "" : "after the next backup and prune: " + wrong;
}

}  // namespace

std::string wrong_with(const Place& place,
                       const Promise& before,
                       const Promise& after,
                       Trial trial,
                       std::uint64_t seed) {
    try {
        return StateTrial(place, before, after, seed).run(trial);
    } catch (const std::exception& error) {
        return error.what();
    }
}

}  // namespace holdfast
