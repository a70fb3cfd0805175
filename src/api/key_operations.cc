#include "api/key_operations.h"

#include <unistd.h>

#include <algorithm>

#include "api/point_selection.h"
#include "base/file_io.h"
#include "repository/attestations.h"
#include "repository/key_epochs.h"
#include "repository/repository.h"

namespace holdfast {
namespace {

KeySummary summary_of(const KeySlotRecord& slot, bool revoked) {
    static constexpr const char* types[] = {"", "key-file", "passphrase", "recovery"};
    return {slot.id.hex(), types[static_cast<std::size_t>(slot.type)],
            slot.role == KeyRole::full ? "full" : "write-only", slot.label, slot.created, revoked, {}, {}};
}

}  // namespace

Result<std::vector<KeySummary>> list_keys(const AccessRequest& access) {
    HF_TRY(const auto repository, open_repository(access));
    HF_TRY(const auto slots, read_key_slots(repository->storage()));
    HF_TRY(const auto epochs, read_key_epochs(repository->storage()));
    std::vector<KeySummary> keys;
    const bool knows_clients = repository->keyring().role() == KeyRole::full;
    std::vector<AttestationRecord> attestations;
    if (knows_clients) {
        HF_TRY(attestations, read_attestations(*repository));
    }
    for (const KeySlotRecord& slot : slots) {
        keys.push_back(summary_of(slot, is_revoked(slot, epochs)));
        for (const AttestationRecord& one : attestations)
            if (!keys.back().confirmed && one.kind == AttestationKind::recovery_key && one.slot == slot.id)
                keys.back().confirmed = one.time;
        if (slot.role == KeyRole::full || !knows_clients) continue;
        const auto client = repository->clients().find(slot.id);
        if (client.ok()) keys.back().host = client->host;
    }
    return keys;
}

namespace {

// Makes the secret of a new slot and puts it where the user wants it.
Result<SecretKey> new_secret(const AddKeyRequest& request,
                             const std::string& repository_id,
                             KeySlotRecord& slot,
                             AddKeyResponse& response) {
    if (request.new_passphrase_file) {
        HF_TRY(Bytes data, read_file(*request.new_passphrase_file, 1 << 16));
        const std::string passphrase = first_line(data);
        wipe(data);
        if (passphrase.empty())
            return Error(ErrorCode::invalid_argument, *request.new_passphrase_file + ": is empty");
        slot.type = KeySlotType::passphrase;
        slot.id = KeySlotId::random(system_random());
        slot.salt = system_random().array<16>();
        return stretch_passphrase(as_bytes(passphrase), slot.salt, slot.cost);
    }
    const SecretKey secret(system_random().array<32>());
    slot.type = request.is_recovery ? KeySlotType::recovery : KeySlotType::key_file;
    slot.id = key_slot_id_of(secret, slot.type);
    if (request.is_recovery) {
        response.recovery_key = format_recovery_key(secret);
        return secret;
    }
    const std::string& path = *request.new_key_file;
    HF_TRY_STATUS(write_key_file(path, format_key_file(secret, repository_id)));
    return secret;
}

Status add_client(Repository& repository, const KeySlotRecord& slot, const std::string& host) {
    ClientRecord client;
    client.id = slot.id;
    client.time = slot.created;
    client.label = slot.label;
    client.host = host;
    client.verify_key = slot.certificate->verify_key;
    return write_client(repository.storage(), repository.keyring(), client, repository.random());
}

}  // namespace

Result<AddKeyResponse> add_key(const AddKeyRequest& request) {
    if (request.new_key_file.has_value() + request.new_passphrase_file.has_value() +
            (request.is_recovery ? 1 : 0) !=
        1)
        return Error(ErrorCode::invalid_argument, "give one new key file or passphrase file");
    if (!request.host.empty() && !request.is_write_only)
        return Error(ErrorCode::invalid_argument, "only a write-only key can be bound to a host");
    HF_TRY(const auto repository, open_repository(request.access));
    if (repository->keyring().role() == KeyRole::writer)
        return Error(ErrorCode::permission_denied, "a write-only key cannot make keys");
    AddKeyResponse response;
    KeySlotRecord slot;
    slot.role = request.is_write_only ? KeyRole::writer : KeyRole::full;
    slot.created = system_clock().now();
    slot.label = request.label;
    const RepositoryId& id = repository->keyring().repository();
    HF_TRY(const SecretKey secret, new_secret(request, id.hex(), slot, response));
    const SecretKey& master = request.is_write_only ? repository->keyring().full().writer_master
                                                    : repository->master();
    lock_key_slot(slot, secret, master, id);
    const Keyring& keyring = repository->keyring();
    certify_key_slot(slot, secret, keyring.epoch(), keyring.full().signing_key(), id,
                     request.host.empty() ? HostTag{} : keyring.host_tag(request.host));
    // Readers know the client before it can write anything.
    Status written = request.is_write_only ? add_client(*repository, slot, request.host) : ok_status();
    if (written.ok()) written = write_key_slot(repository->storage(), slot, id, system_random());
    // It opens nothing, and would stand in the way of the next try.
    if (!written.ok() && request.new_key_file) ::unlink(request.new_key_file->c_str());
    HF_TRY_STATUS(std::move(written));
    response.key = summary_of(slot, false);
    return response;
}

namespace {

// The one whose id begins so, and which may go.
Result<KeySlotRecord> select_key_to_go(Repository& repository, const std::string& id) {
    HF_TRY(const auto slots, read_key_slots(repository.storage()));
    HF_TRY(const auto epochs, read_key_epochs(repository.storage()));
    const KeySlotRecord* found = nullptr;
    std::size_t readers = 0;
    for (const KeySlotRecord& slot : slots) {
        if (slot.role == KeyRole::full && !is_revoked(slot, epochs)) ++readers;
        if (id.empty() || !slot.id.hex().starts_with(id)) continue;
        if (found != nullptr)
            return Error(ErrorCode::invalid_argument, "more than one key begins with " + id);
        found = &slot;
    }
    if (found == nullptr) return Error(ErrorCode::not_found, "no key begins with " + id);
    if (found->role == KeyRole::full && readers == 1 && !is_revoked(*found, epochs))
        return Error(ErrorCode::refused, "the last key that can read stays");
    return *found;
}

Result<std::unique_ptr<Repository>> open_to_change_keys(const AccessRequest& access) {
    HF_TRY(auto repository, open_repository(access));
    if (repository->keyring().role() == KeyRole::writer)
        return Error(ErrorCode::permission_denied, "a write-only key cannot change keys");
    return repository;
}

Status make_epoch(Repository& repository, const std::optional<KeySlotId>& excluded) {
    return make_key_epoch(repository.storage(), repository.config(), repository.keyring(), repository.master(),
                          excluded, repository.clock(), repository.random());
}

// What the client has made is known from now on: what comes under its name later is not its own. After its slot is gone.
Status close_client(Repository& repository, const KeySlotRecord& slot) {
    if (slot.role == KeyRole::full) return {};
    auto client = repository.clients().find(slot.id);
    if (!client.ok() && client.error().code() == ErrorCode::not_found) return {};
    HF_TRY(ClientRecord record, std::move(client));
    if (record.is_removed) return {};
    record.is_removed = true;
    record.time = repository.clock().now();
    HF_TRY(const auto points, repository.points(std::nullopt));
    for (const PointInfo& point : points)
        if (point.client == slot.id) record.points.push_back(point.id);
    std::sort(record.points.begin(), record.points.end());
    return write_client(repository.storage(), repository.keyring(), record, repository.random());
}

Status remove_slot(Repository& repository, const KeySlotRecord& slot) {
    HF_TRY_STATUS(remove_key_slot(repository.storage(), slot.id));
    return close_client(repository, slot);
}

}  // namespace

Status remove_key(const AccessRequest& access, const std::string& id) {
    HF_TRY(const auto repository, open_to_change_keys(access));
    HF_TRY(const KeySlotRecord slot, select_key_to_go(*repository, id));
    return remove_slot(*repository, slot);
}

Status revoke_key(const AccessRequest& access, const std::string& id) {
    HF_TRY(const auto repository, open_to_change_keys(access));
    HF_TRY(const KeySlotRecord slot, select_key_to_go(*repository, id));
    // In this order: a key whose slot is left is revoked all the same.
    HF_TRY_STATUS(make_epoch(*repository, slot.id));
    const Status removed = remove_key_slot(repository->storage(), slot.id);
    // A slot that the storage has locked stays until that is over; the key opens nothing that is written from now on.
    const bool is_done = removed.ok() || removed.error().code() == ErrorCode::refused;
    if (!is_done) return removed;
    return close_client(*repository, slot);
}

Status rotate_keys(const AccessRequest& access) {
    HF_TRY(const auto repository, open_to_change_keys(access));
    return make_epoch(*repository, std::nullopt);
}

Result<KeySummary> confirm_recovery_key(const AccessRequest& request, std::string& text) {
    auto secret = parse_recovery_key(text);
    wipe(text);
    Unlock unlock;
    HF_TRY(unlock.recovery, std::move(secret));
    AttestationRecord record;
    record.kind = AttestationKind::recovery_key;
    record.slot = key_slot_id_of(*unlock.recovery, KeySlotType::recovery);
    record.host = this_host();
    HF_TRY(const ResolvedAccess access, resolve_access(request));
    HF_TRY(const auto repository, open_repository(access));
    // What counts is not that there is a slot, but that the key leads to all others.
    HF_TRY(auto storage, open_storage(access.repository, OpenMode::existing, access.storage));
    HF_TRY(const auto opened, Repository::open(std::move(storage), unlock, "", system_clock(), system_random()));
    if (opened->keyring().repository() != repository->keyring().repository())
        return Error(ErrorCode::wrong_key, "the key is of another repository");
    HF_TRY(const KeySlotRecord slot, read_key_slot(repository->storage(), record.slot));
    record.time = system_clock().now();
    HF_TRY_STATUS(attest(*repository, record));
    KeySummary key = summary_of(slot, false);
    key.confirmed = record.time;
    return key;
}

}  // namespace holdfast
