#include "fault/history.h"

#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "fault/operations.h"

namespace holdfast {
namespace {

// Writes the operations of a history down.
class Script {
  public:
    explicit Script(std::uint64_t seed) : random_(seed), gardener_(seed, 40), tree_(gardener_.plant()) {}

    std::vector<Operation> take() { return std::move(operations_); }
    std::size_t below(std::size_t limit) { return random_() % limit; }
    // The last one is killed, and then done by another process.
    void kill_and_repeat() {
        Operation again = operations_.back();
        operations_.back().name = "killed " + again.name;
        operations_.back().killed_after = 1 + below(40);
        operations_.push_back(std::move(again));
    }

    void init() {
        add("init", [](const Place& place, Promise& promise, std::uint64_t) {
            return holdfast::init(place, promise, "first");
        });
    }
    void backup(const std::string& name, unsigned changed_percent, Walk walk = Walk::fast) {
        gardener_.change(tree_, changed_percent);
        add(name, [tree = std::make_shared<const ModelNode>(tree_), walk](
                      const Place& place, Promise& promise, std::uint64_t seed) {
            return back_up(place, promise, seed, tree, walk);
        });
    }
    void client_backup(unsigned changed_percent, Walk walk = Walk::fast) {
        gardener_.change(tree_, changed_percent);
        add("client's backup", [tree = std::make_shared<const ModelNode>(tree_), walk](
                                   const Place& place, Promise& promise, std::uint64_t seed) {
            return back_up_as_client(place, promise, seed, tree, walk);
        });
    }
    void add_client() {
        add("add client", [](const Place& place, Promise& promise, std::uint64_t) {
            return holdfast::add_client(place, promise, "client");
        });
    }
    void revoke_clients() {
        add("revoke client", [](const Place& place, Promise& promise, std::uint64_t) {
            return holdfast::revoke_clients(place, promise);
        });
    }
    void prune() {
        add("prune", [percent = below(2) == 0 ? 0u : 5u](const Place& place, Promise& promise,
                                                         std::uint64_t seed) {
            return holdfast::prune(place, promise, seed, percent);
        });
    }
    void synthesize() {
        add("synthesize", [](const Place& place, Promise& promise, std::uint64_t seed) {
            return holdfast::synthesize(place, promise, seed);
        });
    }
    void damage() {
        add("damage", [](const Place& place, Promise& promise, std::uint64_t seed) {
            return holdfast::damage(place, promise, seed);
        });
    }
    void repair() {
        add("repair", [](const Place& place, Promise& promise, std::uint64_t seed) {
            return holdfast::repair(place, promise, seed);
        });
    }
    void change(const std::string& name, PointChange change) {
        add(name, [change, which = below(16)](const Place& place, Promise& promise, std::uint64_t seed) {
            return change_point(place, promise, seed, change, which);
        });
    }
    void add_key(const std::string& key) {
        add("add key", [key](const Place& place, Promise& promise, std::uint64_t) {
            return add_key_file(place, promise, key);
        });
    }
    void remove_key(const std::string& key) {
        add("remove key", [key](const Place& place, Promise& promise, std::uint64_t) {
            return remove_key_file(place, promise, key);
        });
    }
    void rotate_keys() {
        add("rotate keys", [](const Place& place, Promise& promise, std::uint64_t) {
            return rotate_key_files(place, promise);
        });
    }
    void revoke_key(const std::string& key) {
        add("revoke key", [key](const Place& place, Promise& promise, std::uint64_t) {
            return revoke_key_file(place, promise, key);
        });
    }
    void add_passphrase(const std::string& text) {
        add("add passphrase", [text](const Place& place, Promise& promise, std::uint64_t seed) {
            return holdfast::add_passphrase(place, promise, seed, text);
        });
    }
    void remove_passphrase(const std::string& text) {
        add("remove passphrase", [text](const Place& place, Promise& promise, std::uint64_t) {
            return holdfast::remove_passphrase(place, promise, text);
        });
    }

  private:
    void add(const std::string& name, decltype(Operation::run) run) {
        operations_.push_back({name, std::move(run), std::nullopt});
    }
    std::mt19937_64 random_;
    Gardener gardener_;
    ModelNode tree_;
    std::vector<Operation> operations_;
};

}  // namespace

std::vector<Operation> operations_of(std::uint64_t seed) {
    Script script(seed);
    script.init();
    script.backup("first backup", 0, Walk::slow);
    if (seed % 2 == 0) script.kill_and_repeat();
    script.add_key("second");
    script.add_client();
    script.client_backup(0);
    if (seed % 3 == 2) script.kill_and_repeat();
    script.backup("backup", 20);
    script.add_passphrase("one");
    script.change("delete", PointChange::remove);
    script.change("undelete", PointChange::undelete);
    script.backup("backup", 20);
    script.client_backup(20, Walk::slow);
    script.change("hold", PointChange::hold);
    script.change("delete", PointChange::remove);
    script.prune();
    if (seed % 3 == 0) script.kill_and_repeat();
    script.rotate_keys();
    script.client_backup(20);
    if (seed % 2 == 0) script.kill_and_repeat();
    script.add_key("third");
    script.remove_key("first");
    script.change("release", PointChange::release);
    // The change of a passphrase.
    script.add_passphrase("two");
    script.remove_passphrase("one");
    for (int i = 0; i < 16; ++i) script.backup("folding backup", 3);
    for (int i = 0; i < 4; ++i) script.change("delete", PointChange::remove);
    script.change("undelete", PointChange::undelete);
    script.prune();
    if (seed % 2 != 0) script.kill_and_repeat();
    script.backup("backup", 20);
    script.kill_and_repeat();
    script.client_backup(20);
    script.revoke_key("second");
    script.damage();
    script.repair();
    if (seed % 2 == 0) script.kill_and_repeat();
    script.client_backup(5);
    script.revoke_clients();
    script.synthesize();
    if (seed % 3 == 1) script.kill_and_repeat();
    for (int i = 0; i < 8; ++i) script.change("delete", PointChange::remove);
    script.prune();
    return script.take();
}

Recorded record_history(std::uint64_t seed, const std::string& root) {
    const Place place{root};
    Recorded recorded;
    Promise promise;
    Recording recording(root);
    for (const Operation& operation : operations_of(seed)) {
        begin_process();
        Recorded::Step step{operation.name, recording.size(), 0, promise, promise};
        if (operation.killed_after) recording.set_fault({*operation.killed_after, EIO, true});
        const Status done = operation.run(place, step.after, seed + recorded.steps.size());
        const bool was_killed = recording.has_failed();
        recording.set_fault({});
        if (!done.ok() && !was_killed)
            throw std::runtime_error(operation.name + ": " + done.error().describe());
        if (!done.ok()) {
            step.after = promise;
            step.after.now += 3600 * ns_per_second;
        }
        promise = step.after;
        step.end = recording.size();
        recorded.steps.push_back(std::move(step));
    }
    recorded.trace = recording.take();
    return recorded;
}

namespace {

// Files that are read in place of those of /proc.
struct Identity {
    FastDirectory directory;
    std::uint64_t boots = 0, processes = 0;

    void write() const {
        const std::string boot = directory.path() + "/boot", stat = directory.path() + "/stat";
        std::ofstream(boot) << "boot " << boots << '\n';
        // proc(5): field 22 is when the process started.
        std::ofstream(stat) << "1 (test) S";
        std::ofstream file(stat, std::ios::app);
        for (int field = 4; field < 22; ++field) file << " 0";
        file << ' ' << processes << " 0\n";
        replace_path("/proc/sys/kernel/random/boot_id", boot);
        replace_path("/proc/" + std::to_string(::getpid()) + "/stat", stat);
    }
};

Identity& identity() {
    static Identity instance;
    return instance;
}

}  // namespace

void begin_process() {
    ++identity().processes;
    identity().write();
}

void begin_boot() {
    ++identity().boots;
    begin_process();
}

FastDirectory::FastDirectory() {
    std::error_code error;
    const bool has_memory = std::filesystem::is_directory("/dev/shm", error);
    path_ = (has_memory ? "/dev/shm" : std::filesystem::temp_directory_path().string()) +
            "/holdfast-fault-XXXXXX";
    if (::mkdtemp(path_.data()) == nullptr) throw std::runtime_error("no temporary directory");
}

FastDirectory::~FastDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

}  // namespace holdfast
