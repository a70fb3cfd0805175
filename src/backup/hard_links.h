// Files with several names: read once, whatever name comes first.
#pragma once

#include <unordered_map>

#include "backup/file_task.h"
#include "base/disk_map.h"

namespace holdfast {

// Remembers each file with links that this backup has met. For one thread.
// Memory: what waits to be read, which who submits it bounds, and DiskMap's.
class HardLinks {
  public:
    // At most one of both is set; none: the file is new.
    struct Known {
        std::shared_ptr<FileTask> pending;  // is being read
        std::optional<Entry> stored;        // was read: under the name it had then
    };
    // Errors: of a temporary file.
    Result<Known> find(const Metadata& metadata) const;
    void begin(std::shared_ptr<FileTask> task);
    // The task is done. Of what nothing is kept, the next name is a new try.
    Status finish(const FileTask& task);

  private:
    struct KeyHash {
        std::size_t operator()(const DiskMap::Key& key) const {
            return static_cast<std::size_t>(key.second * 0x9E3779B97F4A7C15u ^ key.first);
        }
    };
    std::unordered_map<DiskMap::Key, std::shared_ptr<FileTask>, KeyHash> pending_;
    DiskMap stored_;  // a directory leaf with one entry
};

}  // namespace holdfast
