// What a repository is, and the secrets of its first key epoch. docs/format.md#config.
#pragma once

#include "base/clock.h"
#include "base/result.h"
#include "crypto/digest.h"
#include "crypto/key_agreement.h"
#include "format/ids.h"

namespace holdfast {

// Sizes between content-defined cuts, in bytes, powers of two.
struct ChunkSizes {
    std::uint32_t min_bytes = 128 * 1024;
    std::uint32_t avg_bytes = 512 * 1024;
    std::uint32_t max_bytes = 2 * 1024 * 1024;
    bool operator==(const ChunkSizes&) const = default;
};

// Secrets that every writer needs; `init --like` shares the first two.
struct WriterSecrets {
    SecretKey hash_key;      // member hashes and chunk ids
    SecretKey chunker_key;   // content-defined cuts
    SecretKey name_key;      // source ids in the names of points
    PublicKey seal_key{};    // objects of write-only clients are sealed to it
};

// Everything: what a reader needs too.
struct FullSecrets {
    WriterSecrets writer;
    SecretKey writer_master;   // opens the writers' bundle
    SecretKey wrapping_key;    // the keys of symmetric objects derive from it
    SecretKey agreement_key;   // secret half of seal_key
};

// The record of the object `config` (in clear, but for the sealed bundles).
struct ConfigRecord {
    RepositoryId repository;
    TimeNs created = 0;
    ChunkSizes chunk_sizes;
    bool has_parity = true;  // writers give every object parity
    Bytes full_bundle;    // FullSecrets, sealed with the master key
    Bytes writer_bundle;  // WriterSecrets, sealed with the writers' master key
};

void encode_config(const ConfigRecord& config, ByteWriter& out);
Result<ConfigRecord> decode_config(ByteSpan data);

// Bundles are bound to what the configuration says in clear (all but its bundles), and to their
// place. Errors: corrupt, also for a wrong key.
Bytes seal_full_bundle(const FullSecrets& secrets,
                       const SecretKey& master,
                       const ConfigRecord& config);
Result<FullSecrets> open_full_bundle(ByteSpan bundle,
                                     const SecretKey& master,
                                     const ConfigRecord& config);
Bytes seal_writer_bundle(const WriterSecrets& secrets,
                         const SecretKey& writer_master,
                         const ConfigRecord& config);
Result<WriterSecrets> open_writer_bundle(ByteSpan bundle,
                                         const SecretKey& writer_master,
                                         const ConfigRecord& config);

}  // namespace holdfast
