// The operations that a history is made of: each is one run of the program at a place, and changes the promise
// when it succeeds.
#pragma once

#include "fault/history.h"

namespace holdfast {

// One run of the program.
struct Process {
    ManualClock clock;
    SeededRandom random;
    std::unique_ptr<Repository> repository;

    Process(TimeNs now, std::uint64_t seed) : clock(now), random(seed) {}
    Status open(const Place& place, const Unlock& unlock, const std::string& cache);
    // By the first key that is promised.
    Status open(const Place& place, const Promise& promise);
};
Result<Unlock> read_key(const Place& place, const std::string& key);

using Tree = std::shared_ptr<const ModelNode>;
enum class Walk : std::uint8_t {
    fast,
    slow,  // takes its time: partial points are left, and the lease is renewed
};
enum class PointChange : std::uint8_t { remove, undelete, hold, release };

Status init(const Place& place, Promise& promise, const std::string& key);
Status back_up(const Place& place, Promise& promise, std::uint64_t seed, const Tree& tree, Walk walk);
// By the first write-only client, if there is one.
Status back_up_as_client(const Place& place, Promise& promise, std::uint64_t seed, const Tree& tree, Walk walk);
Status prune(const Place& place, Promise& promise, std::uint64_t seed, unsigned max_dead_percent);
Status synthesize(const Place& place, Promise& promise, std::uint64_t seed);
// The disk loses some bytes of objects of every kind.
Status damage(const Place& place, Promise& promise, std::uint64_t seed);
Status repair(const Place& place, Promise& promise, std::uint64_t seed);
// Of the `which`-th of the points that it can be done to, if there is one.
Status change_point(
    const Place& place, Promise& promise, std::uint64_t seed, PointChange change, std::size_t which);
Status add_key_file(const Place& place, Promise& promise, const std::string& key);
Status add_client(const Place& place, Promise& promise, const std::string& key);
// All of them.
Status revoke_clients(const Place& place, Promise& promise);
Status remove_key_file(const Place& place, Promise& promise, const std::string& key);
Status rotate_key_files(const Place& place, Promise& promise);
Status revoke_key_file(const Place& place, Promise& promise, const std::string& key);
Status add_passphrase(const Place& place, Promise& promise, std::uint64_t seed, const std::string& text);
Status remove_passphrase(const Place& place, Promise& promise, const std::string& text);

}  // namespace holdfast
