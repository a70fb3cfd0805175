// The secrets of a key epoch, sealed. docs/format.md#config.
#pragma once

#include <optional>

#include "base/result.h"
#include "crypto/key_agreement.h"

namespace holdfast {

// Secrets that every writer needs; `init --like` shares the first two. The first three are the same in all epochs.
struct WriterSecrets {
    SecretKey hash_key;      // member hashes and chunk ids
    SecretKey chunker_key;   // content-defined cuts
    SecretKey name_key;      // source ids in the names of points
    PublicKey seal_key{};    // objects of write-only clients are sealed to it
    // What the epoch signs is checked with it; not in repositories of programs before that.
    std::optional<PublicKey> verify_key;
};

// Everything: what a reader needs too.
struct FullSecrets {
    WriterSecrets writer;
    SecretKey writer_master;   // opens the writers' bundle
    SecretKey wrapping_key;    // the keys of symmetric objects derive from it
    SecretKey agreement_key;   // secret half of seal_key

    // What signs key slots and the next epoch. Derived from the wrapping key.
    SecretKey signing_key() const;
};
// Fresh ones of all that an epoch does not take over from the one before.
void renew_epoch_secrets(FullSecrets& secrets, Random& random);

// `associated` binds a bundle to its place. Errors: corrupt, also for a wrong key.
Bytes seal_full_bundle(const FullSecrets& secrets, const SecretKey& master, ByteSpan associated);
Result<FullSecrets> open_full_bundle(ByteSpan bundle, const SecretKey& master, ByteSpan associated);
Bytes seal_writer_bundle(const WriterSecrets& secrets,
                         const SecretKey& writer_master,
                         ByteSpan associated);
Result<WriterSecrets> open_writer_bundle(ByteSpan bundle,
                                         const SecretKey& writer_master,
                                         ByteSpan associated);

}  // namespace holdfast
