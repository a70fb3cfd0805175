#include "repository/attestations.h"

#include <algorithm>

#include "repository/object_io.h"

namespace holdfast {
namespace {

constexpr char folder[] = "attestations/";

struct StoredAttestation {
    std::string name;
    AttestationRecord record;
};

Result<std::vector<StoredAttestation>> read_stored(Repository& repository) {
    HF_TRY(const auto objects, list_objects(repository.storage(), folder));
    std::vector<StoredAttestation> result;
    for (const ObjectInfo& info : objects) {
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

bool is_of_same_thing(const AttestationRecord& a, const AttestationRecord& b) {
    return a.kind == b.kind && a.host == b.host && a.slot == b.slot && a.has_read_data == b.has_read_data;
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
    for (const StoredAttestation& old : before)
        if (is_of_same_thing(old.record, record)) HF_TRY_STATUS(repository.storage().remove(old.name));
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
