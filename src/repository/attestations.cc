#include "repository/attestations.h"

#include <algorithm>

#include "repository/object_io.h"

namespace holdfast {
namespace {

constexpr char folder[] = "attestations/";
constexpr std::size_t most_attestations = 10'000;

struct StoredAttestation {
    std::string name;
    AttestationRecord record;
};

Result<std::vector<StoredAttestation>> read_stored(Repository& repository) {
    HF_TRY(const auto objects, list_objects(repository.storage(), folder));
    std::vector<StoredAttestation> result;
    for (const ObjectInfo& info : objects) {
        // Whoever can write could store any number.
        if (result.size() == most_attestations) break;
        const auto stored = repository.get_record(ObjectKind::attestation, info.name);
        if (!stored.ok()) {
            const ErrorCode code = stored.error().code();
            // Replaced since it was listed, or nothing that can be believed.
            if (code == ErrorCode::not_found || code == ErrorCode::corrupt || code == ErrorCode::unsupported) continue;
            return stored.error();
        }
        if (stored->is_claim) continue;
        auto record = decode_attestation(stored->data);
        if (record.ok()) result.push_back({info.name, std::move(record).value()});
    }
    return result;
}

// Whether `later` of the same host says all that `old` does: what was found stays until it was looked at again.
bool replaces(const AttestationRecord& later, const AttestationRecord& old) {
    const bool is_of_same_thing = later.kind == old.kind && later.host == old.host && later.slot == old.slot &&
                                  later.has_read_data == old.has_read_data;
    const bool has_found_nothing = old.problems == 0 && old.damaged_points.empty();
    return is_of_same_thing && (has_found_nothing || later.covers(old));
}

}  // namespace

Status attest(Repository& repository, const AttestationRecord& record) {
    if (repository.keyring().role() != KeyRole::full)
        return Error(ErrorCode::permission_denied, "what a write-only key attests is not believed");
    HF_TRY(const std::vector<StoredAttestation> before, read_stored(repository));
    ObjectKey key = repository.keyring().new_object(ObjectKind::attestation, repository.random());
    const std::string name = folder + key.header.object.hex();
    HF_TRY_STATUS(repository.storage().put(name, encode_record_object(std::move(key), encode_attestation(record)),
                                           Durability::immediate));
    for (const StoredAttestation& old : before) {
        if (!replaces(record, old.record)) continue;
        const Status removed = repository.storage().remove(old.name);
        // Who may not delete leaves it: the later one counts.
        const bool may_stay = removed.ok() || removed.error().code() == ErrorCode::refused || removed.error().code() == ErrorCode::permission_denied;
        if (!may_stay) return removed;
    }
    return {};
}

Result<std::vector<AttestationRecord>> read_attestations(Repository& repository) {
    HF_TRY(const std::vector<StoredAttestation> stored, read_stored(repository));
    std::vector<AttestationRecord> records;
    for (const StoredAttestation& one : stored) records.push_back(one.record);
    std::stable_sort(records.begin(), records.end(),
                     [](const AttestationRecord& a, const AttestationRecord& b) { return a.time > b.time; });
    return records;
}

}  // namespace holdfast
