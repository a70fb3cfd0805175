#include "format/key_epoch.h"

#include <algorithm>

#include "crypto/aead.h"
#include "crypto/digest.h"

namespace holdfast {
namespace {

constexpr std::size_t sealed_key_bytes = SecretKey::size + aead_tag_bytes;
constexpr std::uint64_t max_slots = 4096, max_bundle_bytes = 4096;

Error bad_epoch() {
    return {ErrorCode::corrupt, "damaged key epoch"};
}

Bytes slot_data(const KeyEpochRecord& epoch, const KeyEpochSlot& slot, const RepositoryId& repository) {
    Bytes data = epoch.associated_data(repository);
    ByteWriter out(data);
    out.bytes(slot.id.bytes);
    out.u8(static_cast<std::uint8_t>(slot.role));
    return data;
}

// Seals one key: the ephemeral key is fresh.
SecretKey sealing_key(const SecretKey& shared, const KeyEpochSlot& slot) {
    Bytes material;
    ByteWriter out(material);
    out.bytes(shared.bytes());
    out.bytes(slot.ephemeral);
    out.bytes(slot.seal_key);
    SecretKey key = derive_key("holdfast 2026 master key for a slot", material);
    wipe(material);
    return key;
}

SecretKey previous_key(const SecretKey& master) {
    return derive_key("holdfast 2026 previous master key", master.bytes());
}

Bytes sealed(const SecretKey& key, ByteSpan associated, const SecretKey& secret) {
    Bytes result(sealed_key_bytes);
    Aead(AeadAlgorithm::aes_256_gcm, key).seal(0, associated, secret.bytes(), result);
    return result;
}

Result<SecretKey> opened(const SecretKey& key, ByteSpan associated, ByteSpan sealed_key) {
    SecretKey secret;
    HF_TRY_STATUS(Aead(AeadAlgorithm::aes_256_gcm, key).open(0, associated, sealed_key, secret.writable()));
    return secret;
}

void encode_unsigned(const KeyEpochRecord& epoch, ByteWriter& out) {
    out.u16(epoch.epoch);
    out.u64(static_cast<std::uint64_t>(epoch.created));
    out.sized_bytes(epoch.full_bundle);
    out.sized_bytes(epoch.writer_bundle);
    out.bytes(epoch.sealed_previous_master);
    out.varint(epoch.slots.size());
    for (const KeyEpochSlot& slot : epoch.slots) {
        out.bytes(slot.id.bytes);
        out.u8(static_cast<std::uint8_t>(slot.role));
        out.bytes(slot.seal_key);
        out.bytes(slot.verify_key);
        out.bytes(slot.ephemeral);
        out.bytes(slot.sealed_master);
    }
}

Bytes signed_part(const KeyEpochRecord& epoch, const RepositoryId& repository) {
    Bytes message;
    ByteWriter out(message);
    out.bytes(as_bytes("holdfast 2026 signed key epoch"));
    out.bytes(repository.bytes);
    encode_unsigned(epoch, out);
    return message;
}

Bytes bytes_of(ByteSpan data) { return Bytes(data.begin(), data.end()); }

KeyEpochSlot decode_slot(ByteReader& in) {
    KeyEpochSlot slot;
    slot.id.bytes = in.array<16>();
    const std::uint8_t role = in.u8();
    if (role < 1 || role > 2) in.fail();
    slot.role = static_cast<KeyRole>(role);
    slot.seal_key = in.array<32>();
    slot.verify_key = in.array<32>();
    slot.ephemeral = in.array<32>();
    slot.sealed_master = bytes_of(in.bytes(sealed_key_bytes));
    return slot;
}

}  // namespace

const KeyEpochSlot* KeyEpochRecord::find(const KeySlotId& id) const {
    const auto found = std::find_if(slots.begin(), slots.end(),
                                    [&](const KeyEpochSlot& slot) { return slot.id == id; });
    return found == slots.end() ? nullptr : &*found;
}

Bytes KeyEpochRecord::associated_data(const RepositoryId& repository) const {
    Bytes data;
    ByteWriter out(data);
    out.bytes(repository.bytes);
    out.u16(epoch);
    out.u64(static_cast<std::uint64_t>(created));
    return data;
}

void encode_key_epoch(const KeyEpochRecord& epoch, ByteWriter& out) {
    encode_unsigned(epoch, out);
    out.bytes(epoch.signature);
}

Result<KeyEpochRecord> decode_key_epoch(ByteSpan data) {
    ByteReader in(data);
    KeyEpochRecord epoch;
    epoch.epoch = in.u16();
    epoch.created = static_cast<TimeNs>(in.u64());
    epoch.full_bundle = bytes_of(in.sized_bytes(max_bundle_bytes));
    epoch.writer_bundle = bytes_of(in.sized_bytes(max_bundle_bytes));
    epoch.sealed_previous_master = bytes_of(in.bytes(sealed_key_bytes));
    const std::uint64_t count = in.varint_at_most(max_slots);
    for (std::uint64_t i = 0; i < count && in.ok(); ++i) {
        epoch.slots.push_back(decode_slot(in));
        if (i > 0 && !(epoch.slots[i - 1].id < epoch.slots[i].id)) in.fail();
    }
    epoch.signature = in.array<64>();
    if (!in.complete() || epoch.epoch <= first_key_epoch || epoch.epoch > max_key_epoch) return bad_epoch();
    return epoch;
}

void sign_key_epoch(KeyEpochRecord& epoch, const SecretKey& previous_signing_key, const RepositoryId& repository) {
    epoch.signature = sign(previous_signing_key, signed_part(epoch, repository));
}

bool is_signed_by(const KeyEpochRecord& epoch, const PublicKey& previous_verify_key, const RepositoryId& repository) {
    return signature_is_valid(previous_verify_key, signed_part(epoch, repository), epoch.signature);
}

void seal_previous_master(KeyEpochRecord& epoch,
                          const SecretKey& previous_master,
                          const SecretKey& master,
                          const RepositoryId& repository) {
    epoch.sealed_previous_master =
        sealed(previous_key(master), epoch.associated_data(repository), previous_master);
}

Result<SecretKey> open_previous_master(const KeyEpochRecord& epoch,
                                       const SecretKey& master,
                                       const RepositoryId& repository) {
    return opened(previous_key(master), epoch.associated_data(repository), epoch.sealed_previous_master);
}

Status seal_to_slot(const KeyEpochRecord& epoch,
                    KeyEpochSlot& slot,
                    const SecretKey& master,
                    const RepositoryId& repository,
                    Random& random) {
    const SecretKey ephemeral(random.array<32>());
    slot.ephemeral = agreement_public_key(ephemeral);
    HF_TRY(const SecretKey shared, agree(ephemeral, slot.seal_key));
    slot.sealed_master = sealed(sealing_key(shared, slot), slot_data(epoch, slot, repository), master);
    return {};
}

Result<SecretKey> open_slot(const KeyEpochRecord& epoch,
                            const KeyEpochSlot& slot,
                            const SecretKey& slot_agreement_key,
                            const RepositoryId& repository) {
    HF_TRY(const SecretKey shared, agree(slot_agreement_key, slot.ephemeral));
    return opened(sealing_key(shared, slot), slot_data(epoch, slot, repository), slot.sealed_master);
}

}  // namespace holdfast
