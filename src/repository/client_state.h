// What a write-only client keeps of its own objects, for it can read nothing back with its key alone.
// docs/explanation/write-only-clients.md.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "crypto/secret.h"
#include "format/lease.h"
#include "repository/flat_fragment.h"

namespace holdfast {

// A directory of the local cache: the keys of the client's own metadata packs and restore points, its own index
// fragments, and its sessions that have not ended. All of it may be lost, whole or in part: then the next backup reads
// everything, and stores again what it does not know of. Thread-safe. Memory: 80 bytes for each object whose key is
// kept, and of small fragments their content.
class ClientState {
  public:
    // The directory is made when something is kept. What is torn or damaged in it counts as lost.
    static std::unique_ptr<ClientState> open(std::string directory);

    std::optional<SecretKey> key(const ObjectId& object) const;
    // Kept on disk from the next save() on.
    void add_key(const ObjectId& object, const SecretKey& key);
    // Those of others go. Errors: of the file system.
    Status keep_keys(const std::function<bool(const ObjectId&)>& keeps);

    Status add_fragment(const IndexFragmentRecord& fragment, Random& random);
    std::vector<std::shared_ptr<FlatFragment>> fragments() const;
    // Few fragments in place of many, without the containers that are not kept. Memory: 130 bytes for each of at
    // most 262,144 chunks at a time.
    Status tidy_fragments(const std::function<bool(const ObjectId&)>& keeps, Random& random);

    // Sessions that have taken a lease and not given it back, with what the lease says: the client cannot read it.
    Status note_session(const LeaseRecord& lease);
    void forget_session(const SessionId& session);
    std::vector<LeaseRecord> sessions() const;

    // Errors: of the file system.
    Status save();

  private:
    explicit ClientState(std::string directory) : directory_(std::move(directory)) {}
    std::vector<std::string> files_with(std::string_view suffix) const;
    void read_keys();
    Status write_keys();

    const std::string directory_;
    mutable std::mutex mutex_;
    std::unordered_map<ObjectId, SecretKey, IdHash<ObjectId>> keys_;
    std::vector<ObjectId> unsaved_;
};

}  // namespace holdfast
