// A repository in a directory of a mounted file system.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <set>

#include "base/unique_fd.h"
#include "storage/storage.h"

namespace holdfast {

// Objects are files below the root. A file is written in `tmp/` and linked to its name when it is
// whole, so that a name never shows part of an object. Large objects are written around the page
// cache (O_DIRECT) where the file system allows it.
class LocalStorage final : public Storage {
  public:
    static Result<std::unique_ptr<Storage>> open(const std::string& path, OpenMode mode);

    std::string description() const override { return root_; }
    Status put(const std::string& name, ByteSpan data, Durability durability) override;
    Result<std::unique_ptr<ObjectWriter>> begin(const std::string& name) override;
    Result<std::unique_ptr<ObjectWriter>> begin_again(const std::string& name) override;
    Status adopt(const std::string& name) override;
    Status barrier() override;
    Result<std::size_t> read_some(const std::string& name, std::uint64_t offset, MutableByteSpan out) override;
    Result<Bytes> get(const std::string& name, std::uint64_t limit_bytes) override;
    Result<ObjectInfo> head(const std::string& name) override;
    Status list(const std::string& prefix,
                const std::function<bool(const ObjectInfo&)>& visit) override;
    Status remove(const std::string& name) override;

  private:
    class Writer;
    explicit LocalStorage(std::string root);

    std::string path_of(const std::string& name) const { return root_ + '/' + name; }
    // Says of a repository that cannot be written so, in place of the name of an object.
    Error explain(Error error) const;
    // A new file in tmp/, locked as long as it is open: what is not locked was left by a dead process.
    Result<std::pair<std::string, UniqueFd>> open_temporary(int flags);
    // Removes such leftovers, once.
    void remove_leftovers();
    // Whether a name may be taken already.
    enum class Existing : std::uint8_t { refuse, replace };
    Result<std::unique_ptr<ObjectWriter>> begin_writer(const std::string& name, Existing existing);
    // Gives the finished temporary file its name and notes what barrier() has to sync.
    Status publish(const std::string& temporary,
                   const std::string& name,
                   UniqueFd fd,
                   Durability durability,
                   Existing existing);
    Status take_name(const std::string& temporary, const std::string& name, Existing existing);
    Status ensure_directory(const std::string& directory);
    // Notes it and those above it for barrier(). For who holds the mutex.
    void note_unsynced(std::string directory);
    void remove_empty(const std::set<std::string>& directories);
    Result<std::shared_ptr<UniqueFd>> open_for_reading(const std::string& name);

    const std::string root_;
    std::mutex barrier_mutex_;  // held by the one that syncs; taken before the other one
    std::mutex mutex_;          // guards what follows
    std::uint64_t temporaries_ = 0;
    bool cleaned_ = false;
    std::set<std::string> shrunk_directories_;  // below the root; removals in them may be not durable
    std::set<std::string> known_directories_;
    // Files and directories that barrier() has to sync. Bound: syncs early at 64 files.
    std::vector<std::pair<std::string, UniqueFd>> unsynced_files_;
    std::set<std::string> unsynced_directories_;
    // A file could not be synced: what was written of it may be gone, and another sync would not say so. No
    // barrier succeeds from then on.
    std::optional<Error> lost_;
    // Open files for reading, least recently used out first. Bound: 64 descriptors.
    std::map<std::string, std::pair<std::shared_ptr<UniqueFd>, std::uint64_t>> open_files_;
    std::uint64_t uses_ = 0;
};

}  // namespace holdfast
