#include "format/key_slot.h"

#include "crypto/aead.h"
#include "crypto/digest.h"

namespace holdfast {
namespace {

Error bad_slot() {
    return {ErrorCode::corrupt, "damaged key slot"};
}

// The slot's key: no two slots share one, so its counter is always zero.
SecretKey slot_key(const SecretKey& secret, const KeySlotId& id) {
    Bytes material(secret.bytes().begin(), secret.bytes().end());
    material.insert(material.end(), id.bytes.begin(), id.bytes.end());
    SecretKey key = derive_key("holdfast 2026 key slot", material);
    wipe(material);
    return key;
}

Digest commitment_of(const SecretKey& key) {
    return keyed_hash(derive_key("holdfast 2026 key slot commitment", key.bytes()), {});
}

Bytes associated_data(const KeySlotRecord& slot, const RepositoryId& repository) {
    Bytes data(repository.bytes.begin(), repository.bytes.end());
    data.insert(data.end(), slot.id.bytes.begin(), slot.id.bytes.end());
    data.push_back(static_cast<std::uint8_t>(slot.type));
    data.push_back(static_cast<std::uint8_t>(slot.role));
    return data;
}

// What the epoch signs.
Bytes signed_part(const KeySlotRecord& slot, const RepositoryId& repository) {
    Bytes message;
    ByteWriter out(message);
    out.bytes(as_bytes("holdfast 2026 signed key slot"));
    out.bytes(repository.bytes);
    KeySlotRecord unsigned_slot = slot;
    unsigned_slot.certificate->signature = {};
    encode_key_slot(unsigned_slot, out);
    return message;
}

}  // namespace

void encode_key_slot(const KeySlotRecord& slot, ByteWriter& out) {
    out.bytes(slot.id.bytes);
    out.u8(static_cast<std::uint8_t>(slot.type));
    out.u8(static_cast<std::uint8_t>(slot.role));
    out.u64(static_cast<std::uint64_t>(slot.created));
    out.sized_text(slot.label);
    out.u32(slot.cost.passes);
    out.u32(slot.cost.memory_kib);
    out.bytes(slot.salt);
    out.bytes(slot.commitment);
    out.sized_bytes(slot.sealed_master);
    if (!slot.certificate) return;
    out.u16(slot.certificate->epoch);
    out.bytes(slot.certificate->seal_key);
    out.bytes(slot.certificate->verify_key);
    out.bytes(slot.certificate->host);
    out.bytes(slot.certificate->signature);
}

Result<KeySlotRecord> decode_key_slot(ByteSpan data) {
    ByteReader in(data);
    KeySlotRecord slot;
    slot.id.bytes = in.array<16>();
    const std::uint8_t type = in.u8();
    const std::uint8_t role = in.u8();
    slot.created = static_cast<TimeNs>(in.u64());
    slot.label = in.sized_text(4096);
    slot.cost.passes = in.u32();
    slot.cost.memory_kib = in.u32();
    slot.salt = in.array<16>();
    slot.commitment = in.array<32>();
    const ByteSpan sealed = in.sized_bytes(4096);
    slot.sealed_master.assign(sealed.begin(), sealed.end());
    if (in.ok() && !in.at_end()) {
        KeySlotCertificate& certificate = slot.certificate.emplace();
        certificate.epoch = in.u16();
        certificate.seal_key = in.array<32>();
        certificate.verify_key = in.array<32>();
        certificate.host = in.array<16>();
        certificate.signature = in.array<64>();
        if (certificate.epoch == 0) return bad_slot();
    }
    if (!in.complete() || type < 1 || type > 3 || role < 1 || role > 2) return bad_slot();
    if (slot.sealed_master.size() != SecretKey::size + aead_tag_bytes) return bad_slot();
    slot.type = static_cast<KeySlotType>(type);
    slot.role = static_cast<KeyRole>(role);
    return slot;
}

KeySlotId key_slot_id_of(const SecretKey& secret, KeySlotType type) {
    const std::string_view context = type == KeySlotType::recovery
                                         ? "holdfast 2026 recovery key slot id"
                                         : "holdfast 2026 key file slot id";
    const SecretKey id = derive_key(context, secret.bytes());
    KeySlotId result;
    std::copy_n(id.bytes().begin(), result.bytes.size(), result.bytes.begin());
    return result;
}

void lock_key_slot(KeySlotRecord& slot,
                   const SecretKey& secret,
                   const SecretKey& master,
                   const RepositoryId& repository) {
    const SecretKey key = slot_key(secret, slot.id);
    slot.commitment = commitment_of(key).bytes;
    slot.sealed_master.resize(SecretKey::size + aead_tag_bytes);
    Aead(AeadAlgorithm::aes_256_gcm, key)
        .seal(0, associated_data(slot, repository), master.bytes(), slot.sealed_master);
}

Result<SecretKey> unlock_key_slot(const KeySlotRecord& slot,
                                  const SecretKey& secret,
                                  const RepositoryId& repository) {
    const SecretKey key = slot_key(secret, slot.id);
    if (commitment_of(key).bytes != slot.commitment)
        return Error(ErrorCode::wrong_key, "the key does not open this repository");
    SecretKey master;
    auto opened = Aead(AeadAlgorithm::aes_256_gcm, key)
                      .open(0, associated_data(slot, repository), slot.sealed_master,
                            master.writable());
    if (!opened.ok()) return std::move(opened).error().with_context("opening a key slot");
    return master;
}

KeySlotSecrets key_slot_secrets_of(const SecretKey& secret, const KeySlotId& id) {
    const SecretKey key = slot_key(secret, id);
    return {derive_key("holdfast 2026 key slot agreement key", key.bytes()),
            derive_key("holdfast 2026 key slot signing key", key.bytes())};
}

void certify_key_slot(KeySlotRecord& slot,
                      const SecretKey& secret,
                      std::uint16_t epoch,
                      const SecretKey& epoch_signing_key,
                      const RepositoryId& repository,
                      const HostTag& host) {
    const KeySlotSecrets secrets = key_slot_secrets_of(secret, slot.id);
    slot.certificate = KeySlotCertificate{epoch, agreement_public_key(secrets.agreement_key),
                                          signing_public_key(secrets.signing_key), host, {}};
    slot.certificate->signature = sign(epoch_signing_key, signed_part(slot, repository));
}

bool is_certified(const KeySlotRecord& slot,
                  const PublicKey& epoch_verify_key,
                  const RepositoryId& repository) {
    return slot.certificate && signature_is_valid(epoch_verify_key, signed_part(slot, repository),
                                                  slot.certificate->signature);
}

}  // namespace holdfast
