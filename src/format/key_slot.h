// A way to a repository's master key: by key file, passphrase or recovery key.
// docs/format.md#key-slots.
#pragma once

#include <optional>

#include "base/clock.h"
#include "base/result.h"
#include "crypto/key_agreement.h"
#include "format/ids.h"

namespace holdfast {

// The numbers are stored.
enum class KeySlotType : std::uint8_t { key_file = 1, passphrase = 2, recovery = 3 };
enum class KeyRole : std::uint8_t { full = 1, writer = 2 };

// A keyed hash of a host's name. docs/format.md#key-slots.
using HostTag = std::array<std::uint8_t, 16>;

// What makes a slot known to who never sees its secret: a later epoch's master key is sealed to it, and what its owner
// signs is checked with it.
struct KeySlotCertificate {
    std::uint16_t epoch = 1;      // of the master key in the slot, and of the signature
    PublicKey seal_key{};         // X25519
    PublicKey verify_key{};       // Ed25519
    HostTag host{};               // of role writer: whose restore points it may make; of zeros: anybody's
    Signature signature{};        // the epoch's, of all of the record before it
};

// The record of an object below `keys/` (in clear, but for the sealed master key).
struct KeySlotRecord {
    KeySlotId id;
    KeySlotType type = KeySlotType::key_file;
    KeyRole role = KeyRole::full;
    TimeNs created = 0;
    std::string label;
    Argon2Cost cost;                        // passphrase only
    std::array<std::uint8_t, 16> salt{};    // passphrase only
    std::array<std::uint8_t, 32> commitment{};
    Bytes sealed_master;
    // Not in slots of programs before there were epochs.
    std::optional<KeySlotCertificate> certificate;

    std::uint16_t epoch() const { return certificate ? certificate->epoch : 1; }
};

void encode_key_slot(const KeySlotRecord& slot, ByteWriter& out);
Result<KeySlotRecord> decode_key_slot(ByteSpan data);

// The slot of a key file or a recovery key is found by its secret alone.
KeySlotId key_slot_id_of(const SecretKey& secret, KeySlotType type);

// Fills in commitment and sealed_master. `secret` is the file's or the recovery key's 256 bits, or
// the stretched passphrase.
void lock_key_slot(KeySlotRecord& slot,
                   const SecretKey& secret,
                   const SecretKey& master,
                   const RepositoryId& repository);
// Errors: wrong_key.
Result<SecretKey> unlock_key_slot(const KeySlotRecord& slot,
                                  const SecretKey& secret,
                                  const RepositoryId& repository);

// The secret halves of a slot's public keys.
struct KeySlotSecrets {
    SecretKey agreement_key;
    SecretKey signing_key;
};
KeySlotSecrets key_slot_secrets_of(const SecretKey& secret, const KeySlotId& id);
// The last step in making a slot.
void certify_key_slot(KeySlotRecord& slot,
                      const SecretKey& secret,
                      std::uint16_t epoch,
                      const SecretKey& epoch_signing_key,
                      const RepositoryId& repository,
                      const HostTag& host = {});
// Whether the epoch of this key has signed the slot.
bool is_certified(const KeySlotRecord& slot,
                  const PublicKey& epoch_verify_key,
                  const RepositoryId& repository);

}  // namespace holdfast
