// The objects of a bucket in the order of a manifest.
#pragma once

#include <string>
#include <vector>

#include "base/string_sorter.h"
#include "s3/key_path.h"
#include "s3/listing.h"

namespace holdfast {

// What a tree has of an object or of one of its versions.
struct ListedObject {
    std::vector<std::string> path;  // names from the root down, the last one its own
    std::uint64_t bytes = 0;
    TimeNs modified = 0;
    std::string etag;
    std::string version;  // empty: the current one, whichever that is
    bool is_delete_marker = false;
};

// A service lists keys by their bytes; a manifest goes by the names of each directory: `a.b` comes before `a/c` there,
// and `a` before `a.b` here. So all that is listed is sorted once more: first add() in the order of the service, then
// finish() once, then next(). Memory: that of StringSorter, what is more goes to a temporary file; and one key for each
// that is the beginning of the next (1,024 of them at most, 1 MiB). For one thread. Errors: of the temporary file.
class ListedTree {
  public:
    // Relative keys, ascending; a key that is the beginning of another stands before it.
    Status add(S3Object object);
    // Of one key the newest first. A current version counts as an object.
    Status add(S3Version version);
    Status finish();
    // The next one; false at the end.
    Result<bool> next(ListedObject& object);

  private:
    Status meet_key(const std::string& key);
    Status sort(const ListedObject& object);
    Status release(const S3Object& object, KeyPathKind role);

    StringSorter sorter_;
    // Keys that may still turn out to be directories too: each is the beginning of the next.
    std::vector<S3Object> waiting_;
    VersionNames version_names_;
};

}  // namespace holdfast
