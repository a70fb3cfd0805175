// A repository in a directory of an SFTP server.
#pragma once

#include <atomic>
#include <mutex>
#include <set>

#include "storage/sftp/sftp_pool.h"
#include "storage/storage.h"

namespace holdfast {

// Objects are files, as those of LocalStorage are: a repository may be moved from one to the other. A file is written
// in `tmp/`, synced and renamed, so that a name never shows part of an object. Writers keep nothing in memory but what
// is on its way, 2 MiB. docs/explanation/sftp.md says what is asked of a server.
class SftpStorage final : public Storage {
  public:
    // `location` is what follows "sftp:" (parse_sftp_location). With OpenMode::create directories that are missing
    // are made. HOLDFAST_SSH_CONFIG names a configuration in place of the user's.
    static Result<std::unique_ptr<Storage>> open(const std::string& location,
                                                 OpenMode mode,
                                                 const StorageOptions& options);

    std::string description() const override { return pool_.location().description(); }
    StorageTraits traits() const override { return {.is_remote = true}; }
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
    // Whether a name may be taken already.
    enum class Existing : std::uint8_t { refuse, replace };
    // A file in tmp/ that is being written.
    struct Temporary {
        std::string path;
        std::string handle;
    };

    SftpStorage(SftpLocation location, SshOptions ssh, const StorageOptions& options);
    Status prepare(OpenMode mode);
    Status check_empty(SftpClient& client);
    std::string path_of(const std::string& name) const { return pool_.location().path_of(name); }
    Result<std::unique_ptr<ObjectWriter>> begin_writer(const std::string& name, Existing existing);
    Result<Temporary> open_temporary(SftpClient& client);
    // What killed writers left in tmp/, once.
    void remove_leftovers(SftpClient& client, const std::string& fresh);
    Result<std::string> write_temporary(SftpClient& client,
                                        const std::string& name,
                                        ByteSpan data,
                                        Durability durability);
    Error explain_write(SftpClient& client, Error error, const std::string& name) const;
    // Gives it its name.
    Status take_name(SftpClient& client, const std::string& temporary, const std::string& name, Existing existing);
    Status refuse_existing(SftpClient& client, const std::string& temporary, const std::string& name);
    // Notes what barrier() has to sync, or syncs it.
    Status note_taken(const std::string& name, Durability durability);
    // Whether `name` holds this already: an earlier try was carried out, and only its answer was lost.
    Result<bool> is_stored(SftpClient& client, const std::string& name, ByteSpan data);
    Status ensure_directory(SftpClient& client, const std::string& directory);
    void note_unsynced(std::string directory);
    Result<Bytes> read_whole(SftpClient& client, const std::string& name, std::uint64_t limit_bytes);
    Result<SftpNames> names_in(const std::string& directory);
    struct Listing;
    Status walk(Listing& listing, const std::string& directory, unsigned depth);

    SftpPool pool_;
    // Of what is open for reading: changes when the name of a file may stand for another one.
    std::atomic<std::uint64_t> generation_ = 0;
    std::mutex barrier_mutex_;  // held by the one that syncs; taken before the other one
    std::mutex mutex_;          // guards what follows
    std::uint64_t temporaries_ = 0;
    bool is_cleaned_ = false;
    std::set<std::string> known_directories_;
    // Below the root; "" is the root. Bound: the directories that are written to between two barriers.
    std::set<std::string> unsynced_directories_;
    std::set<std::string> shrunk_directories_;  // of which objects were removed
};

}  // namespace holdfast
