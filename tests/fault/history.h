// Histories of a repository in a directory: operations one after another, and what each of them promises.
#pragma once

#include <functional>
#include <map>
#include <set>

#include "fault/system_calls.h"
#include "support/model_backup.h"

namespace holdfast {

// Where a repository, its cache and its keys are: all of it below one directory, so that one crash is of all.
struct Place {
    std::string root;
    std::string repository() const { return root + "/srv/repository"; }
    std::string cache() const { return root + "/cache"; }
    std::string key_file(const std::string& name) const { return root + "/etc/keys/" + name; }
};

// What was acknowledged to the user, and must be so after any crash that comes later.
struct Promise {
    struct Point {
        RestorePointId id{};
        std::shared_ptr<const ModelNode> tree;
        bool is_deleted = false, is_held = false;
    };
    TimeNs now = epoch + 1'000'000 * ns_per_second;
    bool is_there = false;               // the repository
    bool is_damaged = false;             // it rotted, no more than repair makes good
    std::vector<Point> points;           // in their order; those that were deleted stay here
    std::set<std::string> keys, passphrases;            // open it; keys are names of key files
    std::set<std::string> clients;                      // the same, of write-only clients
    std::map<std::string, SecretKey> removed_keys;      // do not
    std::set<std::string> removed_passphrases;
};

// One operation of one run of the program. It changes the promise when it succeeds. Run again in the same state,
// it does the same but for the order of threads.
struct Operation {
    std::string name;
    std::function<Status(const Place& place, Promise& promise, std::uint64_t seed)> run;
    // Nothing reaches the disk after so many calls, and the process is gone: the next one finds what is left.
    std::optional<std::size_t> killed_after;
};

// The operations of a history: every kind of the program's, in an order that makes them meet. An operation that
// changes a repository is added here, and all tests of faults have it.
std::vector<Operation> operations_of(std::uint64_t seed);

// A history that has been, with all calls.
struct Recorded {
    struct Step {
        std::string name;
        std::size_t begin = 0, end = 0;  // calls of the trace
        Promise before, after;           // the same, if it failed or was killed
    };
    Trace trace;
    std::vector<Step> steps;
};
// In an empty directory. Throws when an operation fails that was not killed.
Recorded record_history(std::uint64_t seed, const std::string& root);

// Who the next run of the program is, as leases tell it: another process of the same boot, or one after the
// machine's next start. Leases of earlier runs are dead then. The first of them before anything else.
void begin_process();
void begin_boot();

// How much is tried in a state.
enum class Trial : std::uint8_t {
    look,    // opens it with every key, lists and checks everything, compares one restore point
    go_on,   // and backs up and prunes, and looks again, comparing all
};
// What is wrong at `place` during or after an operation that changes `before` to `after`: all that both of them
// promise must be so. Nothing, if all is well.
std::string wrong_with(const Place& place,
                       const Promise& before,
                       const Promise& after,
                       Trial trial,
                       std::uint64_t seed);

// A directory for histories, in memory where there is one.
class FastDirectory {
  public:
    FastDirectory();
    ~FastDirectory();
    const std::string& path() const { return path_; }

  private:
    std::string path_;
};

}  // namespace holdfast
