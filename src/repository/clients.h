// Which write-only clients there are, and which restore points are theirs. docs/format.md#clients.
#pragma once

#include <map>
#include <mutex>

#include "format/client.h"
#include "repository/object_io.h"

namespace holdfast {

// Each is read at its first use. For role full. Thread-safe.
class Clients {
  public:
    Clients(Storage& storage, const Keyring& keyring) : storage_(storage), keyring_(keyring) {}

    // Whether a restore point that a client seems to have made is what one has signed that may make it. Errors: corrupt,
    // of the storage.
    Status check_point(const ObjectEnd& end, const RestorePointId& point, const std::string& host);
    // As it is known now. Errors: not_found, corrupt.
    Result<ClientRecord> find(const KeySlotId& id);

  private:
    struct Known {
        ClientRecord added;
        std::optional<ClientRecord> removed;
    };
    Result<ClientRecord> read(const std::string& name, const KeySlotId& id);
    Result<Known> known(const KeySlotId& id);

    Storage& storage_;
    const Keyring& keyring_;
    std::mutex mutex_;
    std::map<KeySlotId, Known> known_;
};

// Stores it under its name: as added, or as removed. Errors: already_exists.
Status write_client(Storage& storage, const Keyring& keyring, const ClientRecord& client, Random& random);
std::string client_name(const KeySlotId& id, bool is_removed);

}  // namespace holdfast
