// From a key slot to the keys of all epochs, and the making of a new epoch. docs/format.md#key-epochs.
#pragma once

#include "repository/clear_objects.h"
#include "repository/keyring.h"

namespace holdfast {

// What a secret opens.
struct OpenedKeys {
    SecretKey master;  // of the last epoch; the writers', for role writer
    std::unique_ptr<Keyring> keyring;
};
// `secret` is the slot's: a file's, a recovery key's, or a stretched passphrase. `epochs` are all of the repository's.
// Errors: wrong_key for another secret, and for a slot that a later epoch has left out; corrupt when an epoch is not
// signed by the one before it.
Result<OpenedKeys> open_keys(const ConfigRecord& config,
                             const std::vector<KeyEpochRecord>& epochs,
                             const KeySlotRecord& slot,
                             const SecretKey& secret);

// Whether a slot opens the last epoch.
bool is_revoked(const KeySlotRecord& slot, const std::vector<KeyEpochRecord>& epochs);

// Makes a new epoch for all of the slots but those that are revoked already, and but `excluded`. Who has only
// the secret of another slot reads nothing that is written by the new keys; what is there is not written again. Its cost
// follows the number of slots. `keys` are what opens the repository now. Errors: permission_denied for a write-only
// key; refused for a slot that the present epoch does not vouch for; conflict when somebody else made an epoch.
Status make_key_epoch(Storage& storage,
                      const ConfigRecord& config,
                      const Keyring& keyring,
                      const SecretKey& master,
                      const std::optional<KeySlotId>& excluded,
                      const Clock& clock,
                      Random& random);

}  // namespace holdfast
