#include "api/point_operations.h"

#include <unistd.h>

#include <algorithm>

#include "base/file_io.h"
#include "repository/marks.h"

namespace holdfast {
namespace {

Status apply(Repository& repository,
             const PointInfo& point,
             const PointsRequest& request,
             const WriterIdentity& identity) {
    switch (request.action) {
        case PointAction::remove:
            return repository.set_mark(point, MarkKind::deleted, request.reason);
        case PointAction::undelete:
            return protect_point(repository, point, Protection::undelete, request.reason, identity);
        case PointAction::hold:
            return protect_point(repository, point, Protection::hold, request.reason, identity);
        case PointAction::release: return repository.clear_mark(point, MarkKind::held);
    }
    return {};
}

KeySummary summary_of(const KeySlotRecord& slot) {
    static constexpr const char* types[] = {"", "key-file", "passphrase", "recovery"};
    return {slot.id.hex(), types[static_cast<std::size_t>(slot.type)],
            slot.role == KeyRole::full ? "full" : "write-only", slot.label, slot.created};
}

}  // namespace

Result<std::vector<PointSummary>> change_points(const PointsRequest& request) {
    HF_TRY(const auto repository, open_repository(request.access));
    std::vector<PointInfo> points;
    for (const std::string& one : request.points) {
        // Deleting twice is no error, but the latest to delete is not one that is deleted already.
        const bool takes_deleted =
            request.action == PointAction::undelete ||
            (request.action == PointAction::remove && one != "latest");
        const Deleted deleted = takes_deleted ? Deleted::shown : Deleted::hidden;
        HF_TRY(PointInfo point, select_point(*repository, one, request.filter, deleted));
        if (request.action == PointAction::remove && point.is_held)
            return Error(ErrorCode::refused,
                         "restore point " + point.id.hex().substr(0, 12) + " is held: release it first");
        points.push_back(std::move(point));
    }
    std::vector<PointSummary> summaries;
    const WriterIdentity identity = this_process(this_host());
    for (PointInfo& point : points) {
        HF_TRY_STATUS(apply(*repository, point, request, identity));
        summaries.push_back({point.id.hex(), std::move(point.record), point.is_deleted, point.is_held,
                             point.is_damaged});
    }
    return summaries;
}

Result<std::vector<KeySummary>> list_keys(const AccessRequest& access) {
    HF_TRY(const auto repository, open_repository(access));
    HF_TRY(const auto slots, read_key_slots(repository->storage()));
    std::vector<KeySummary> keys;
    for (const KeySlotRecord& slot : slots) keys.push_back(summary_of(slot));
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

}  // namespace

Result<AddKeyResponse> add_key(const AddKeyRequest& request) {
    if (request.new_key_file.has_value() + request.new_passphrase_file.has_value() +
            (request.is_recovery ? 1 : 0) !=
        1)
        return Error(ErrorCode::invalid_argument, "give one new key file or passphrase file");
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
    Status written = write_key_slot(repository->storage(), slot, id, system_random());
    // It opens nothing, and would stand in the way of the next try.
    if (!written.ok() && request.new_key_file) ::unlink(request.new_key_file->c_str());
    HF_TRY_STATUS(std::move(written));
    response.key = summary_of(slot);
    return response;
}

Status remove_key(const AccessRequest& access, const std::string& id) {
    HF_TRY(const auto repository, open_repository(access));
    if (repository->keyring().role() == KeyRole::writer)
        return Error(ErrorCode::permission_denied, "a write-only key cannot remove keys");
    HF_TRY(const auto slots, read_key_slots(repository->storage()));
    const KeySlotRecord* found = nullptr;
    std::size_t readers = 0;
    for (const KeySlotRecord& slot : slots) {
        if (slot.role == KeyRole::full) ++readers;
        if (id.empty() || !slot.id.hex().starts_with(id)) continue;
        if (found != nullptr)
            return Error(ErrorCode::invalid_argument, "more than one key begins with " + id);
        found = &slot;
    }
    if (found == nullptr) return Error(ErrorCode::not_found, "no key begins with " + id);
    if (found->role == KeyRole::full && readers == 1)
        return Error(ErrorCode::refused, "the last key that can read stays");
    const std::string name = "keys/" + found->id.hex();
    // The second copy first: what is left after a crash in between is still listed.
    for (const char* suffix : {".2", ""}) {
        HF_TRY_STATUS(repository->storage().remove(name + suffix));
        HF_TRY_STATUS(repository->storage().barrier());
    }
    return {};
}

}  // namespace holdfast
