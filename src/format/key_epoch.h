// A later set of a repository's secrets, for the key slots that were there when it was made. docs/format.md#key-epochs.
#pragma once

#include <vector>

#include "format/key_bundles.h"
#include "format/key_slot.h"

namespace holdfast {

// The first epoch is the configuration's; others are counted from there.
inline constexpr std::uint16_t first_key_epoch = 1, max_key_epoch = 4096;

// The epoch's master key (the writers', for a slot of role writer), for the owner of a slot.
struct KeyEpochSlot {
    KeySlotId id;
    KeyRole role = KeyRole::full;
    PublicKey seal_key{};    // the slot's
    PublicKey verify_key{};  // the slot's
    PublicKey ephemeral{};
    Bytes sealed_master;
};

// The record of an object below `epochs/` (in clear, but for what it seals).
struct KeyEpochRecord {
    std::uint16_t epoch = 0;
    TimeNs created = 0;
    Bytes full_bundle;            // FullSecrets, sealed with the epoch's master key
    Bytes writer_bundle;          // WriterSecrets, sealed with its writers' master key
    Bytes sealed_previous_master; // of the epoch before, sealed with the epoch's master key
    std::vector<KeyEpochSlot> slots;  // ascending ids
    Signature signature{};        // the epoch's before, of all of the record before it

    const KeyEpochSlot* find(const KeySlotId& id) const;
    // What bundles and sealed keys are bound to.
    Bytes associated_data(const RepositoryId& repository) const;
};

void encode_key_epoch(const KeyEpochRecord& epoch, ByteWriter& out);
// Errors: corrupt.
Result<KeyEpochRecord> decode_key_epoch(ByteSpan data);

void sign_key_epoch(KeyEpochRecord& epoch, const SecretKey& previous_signing_key, const RepositoryId& repository);
bool is_signed_by(const KeyEpochRecord& epoch, const PublicKey& previous_verify_key, const RepositoryId& repository);

// Fills in `sealed_previous_master`.
void seal_previous_master(KeyEpochRecord& epoch,
                          const SecretKey& previous_master,
                          const SecretKey& master,
                          const RepositoryId& repository);
// Errors: corrupt.
Result<SecretKey> open_previous_master(const KeyEpochRecord& epoch,
                                       const SecretKey& master,
                                       const RepositoryId& repository);
// Fills in `ephemeral` and `sealed_master` of a slot of the epoch. Errors: corrupt for a seal key that gives no secret.
Status seal_to_slot(const KeyEpochRecord& epoch,
                    KeyEpochSlot& slot,
                    const SecretKey& master,
                    const RepositoryId& repository,
                    Random& random);
// Errors: corrupt.
Result<SecretKey> open_slot(const KeyEpochRecord& epoch,
                            const KeyEpochSlot& slot,
                            const SecretKey& slot_agreement_key,
                            const RepositoryId& repository);

}  // namespace holdfast
