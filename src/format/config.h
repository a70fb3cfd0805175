// What a repository is, and the bundles of its first key epoch. docs/format.md#config.
#pragma once

#include "base/clock.h"
#include "base/result.h"
#include "format/ids.h"

namespace holdfast {

// Sizes between content-defined cuts, in bytes, powers of two.
struct ChunkSizes {
    std::uint32_t min_bytes = 128 * 1024;
    std::uint32_t avg_bytes = 512 * 1024;
    std::uint32_t max_bytes = 2 * 1024 * 1024;
    bool operator==(const ChunkSizes&) const = default;
};

// How long restore points stay, whoever asks for their removal. docs/format.md#locks.
struct LockRules {
    enum class Mode : std::uint8_t { none = 0, governance = 1, compliance = 2 };
    Mode mode = Mode::none;
    TimeNs period = 0;      // from a restore point's commit on
    TimeNs generation = 0;  // what locks are longer at first, so that they are extended that seldom
    bool operator==(const LockRules&) const = default;
};

// The record of the object `config` (in clear, but for the sealed bundles).
struct ConfigRecord {
    RepositoryId repository;
    TimeNs created = 0;
    ChunkSizes chunk_sizes;
    bool has_parity = true;  // writers give every object parity
    LockRules lock;
    Bytes full_bundle;    // FullSecrets, sealed with the master key
    Bytes writer_bundle;  // WriterSecrets, sealed with the writers' master key

    // Whether write-only clients sign what they make; not in repositories of programs before that.
    bool has_signing_clients() const { return writer_bundle.size() > 144; }
    // What both are bound to: all that stands before them.
    Bytes associated_data() const;
};

void encode_config(const ConfigRecord& config, ByteWriter& out);
Result<ConfigRecord> decode_config(ByteSpan data);

}  // namespace holdfast
