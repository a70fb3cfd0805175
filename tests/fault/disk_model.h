// What a crash of the machine may leave of a directory.
#pragma once

#include <map>
#include <memory>
#include <random>
#include <vector>

#include "fault/system_calls.h"

namespace holdfast {

enum class CrashState : std::uint8_t {
    // All calls have reached the disk: what a killed program leaves.
    all_written,
    // Nothing has that was not synced: a file has the data of its last sync, a directory the names of its last
    // sync. A file whose name is there and whose data was never synced is empty.
    only_synced,
    // By a seed: some of what was not synced, in any order. A write may have been cut, and a file may have its
    // size before its data: then it reads as zeros there.
    torn,
};
inline constexpr std::size_t crash_states = 3;
const char* name_of(CrashState state);

// What POSIX promises and no more, so a little less than ext4 and xfs do: a file's data is durable after a sync of
// that file, a name (made, moved or removed) after a sync of its directory, both after one of the whole file
// system. A rename is atomic: both of its directories show it, or neither, and a sync of either makes it durable.
// Two changes of one name keep their order; nothing else does.
class DiskModel {
  public:
    // The next call of a trace.
    void apply(const SystemCall& call);
    // The same with everything synced, for a new recording that begins here and gives these numbers to its files.
    DiskModel as_synced(const Recording::Files& numbers) const;
    // Makes the tree in `directory`, which is made and must not be there. The same seed gives the same tree.
    void write_to(const std::string& directory, CrashState state, std::uint64_t seed) const;

  private:
    struct Change {  // of a file's content
        bool is_resize = false;
        std::uint64_t offset = 0;
        std::shared_ptr<const Bytes> data;
    };
    struct Node {
        bool is_directory = false;
        Bytes now, synced;
        std::vector<Change> unsynced;
    };
    using NodePtr = std::shared_ptr<Node>;
    using Names = std::map<std::string, NodePtr>;
    // A change of names, of the node that had the name then. `from` loses it and `to` gets it;
    // in an exchange `from` gets the node that `to` had.
    struct NameChange {
        NodePtr node;
        std::string from, to;
        NodePtr other = nullptr;
    };

    static void apply(Names& names, const NameChange& change);
    static void apply(Bytes& content, const Change& change);
    void change_name(NameChange change);
    void change_content(const SystemCall& call);
    void sync_names(const std::string* directory);
    static void sync_content(Node& node);
    static Bytes torn_content(const std::string& name, const Node& node, std::mt19937_64& random);
    Names torn_names(std::mt19937_64& random) const;

    Names now_, synced_;
    std::vector<NameChange> unsynced_;  // in their order
    std::map<std::uint64_t, NodePtr> files_;
};

}  // namespace holdfast
