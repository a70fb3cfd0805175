#include "repository/clients.h"

#include <algorithm>

namespace holdfast {

std::string client_name(const KeySlotId& id, bool is_removed) {
    return "clients/" + id.hex() + (is_removed ? "/removed" : "/added");
}

Status write_client(Storage& storage, const Keyring& keyring, const ClientRecord& client, Random& random) {
    const Bytes object =
        encode_record_object(keyring.new_object(ObjectKind::client, random), encode_client(client));
    return storage.put(client_name(client.id, client.is_removed), object, Durability::immediate);
}

Result<ClientRecord> Clients::read(const std::string& name, const KeySlotId& id) {
    HF_TRY(const ObjectEnd end, read_object(storage_, keyring_, name, ObjectKind::client, 64u << 20));
    HF_TRY(ClientRecord record, decode_client(end.record));
    // A client vouches for no other one, and a storage must not be able to pass one off as another.
    if (end.trailer.header.is_claim() || record.id != id || name != client_name(id, record.is_removed))
        return Error(ErrorCode::corrupt, name + ": not what its name says");
    return record;
}

Result<Clients::Known> Clients::known(const KeySlotId& id) {
    const std::lock_guard lock(mutex_);
    const auto found = known_.find(id);
    if (found != known_.end()) return found->second;
    Known client;
    HF_TRY(client.added, read(client_name(id, false), id));
    auto removed = read(client_name(id, true), id);
    if (removed.ok()) client.removed = std::move(removed).value();
    else if (removed.error().code() != ErrorCode::not_found) return std::move(removed).error();
    return known_.emplace(id, std::move(client)).first->second;
}

Result<ClientRecord> Clients::find(const KeySlotId& id) {
    HF_TRY(Known client, known(id));
    return client.removed ? std::move(*client.removed) : std::move(client.added);
}

Status Clients::check_point(const ObjectEnd& end, const RestorePointId& point, const std::string& host) {
    const auto& signature = end.table.signature;
    if (!signature) return Error(ErrorCode::corrupt, "no client has signed it");
    if (signature->signer == KeySlotId{}) return check_epoch_signature(end, keyring_);
    auto client = known(signature->signer);
    if (!client.ok()) {
        if (client.error().code() != ErrorCode::not_found) return std::move(client).error();
        return Error(ErrorCode::corrupt, "nobody knows the client that has signed it");
    }
    HF_TRY_STATUS(check_signature(end, client->added.verify_key));
    if (!client->added.host.empty() && client->added.host != host)
        return Error(ErrorCode::corrupt, "its client may not make restore points of host " + host);
    if (client->removed && !std::binary_search(client->removed->points.begin(), client->removed->points.end(), point))
        return Error(ErrorCode::corrupt, "its client was removed before it was there");
    return {};
}

}  // namespace holdfast
