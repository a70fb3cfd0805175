// Keys of a bucket as paths of a tree, and back. docs/reference/buckets.md.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast {

// What a path is of.
enum class KeyPathKind : std::uint8_t {
    object,                   // an entry of the key's own name
    object_beside_directory,  // of a key that others have as a directory: KEY and KEY/...
    versions,                 // the directory of a key's older versions
};

// The names from the root down to what stands for `key`. Each is a valid name of at most 255 bytes. Different keys and
// roles have different paths, and no path of an object is above another, when those of keys that are above others
// are asked for as `object_beside_directory`.
std::vector<std::string> path_of_key(std::string_view key, KeyPathKind role);

// What a name below a directory stands for.
struct KeyDirectory {
    std::string key;              // what the keys below it begin with; of versions: their key
    bool holds_versions = false;
};
KeyDirectory directory_below(const KeyDirectory& parent, std::string_view name);
// The key of a file. Not for versions, whose key is that of their directory.
std::string object_below(const KeyDirectory& parent, std::string_view name);

// Names of versions, of one key from the newest one on: they sort from the oldest one on.
class VersionNames {
  public:
    // For each version in turn: `time` is when it was made, in nanoseconds.
    std::string next(std::string_view key, std::int64_t time, bool is_delete_marker);

  private:
    std::optional<std::string> key_;
    std::int64_t time_ = 0;
    unsigned number_ = 0;
};

}  // namespace holdfast
