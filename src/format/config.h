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

// The record of the object `config` (in clear, but for the sealed bundles).
struct ConfigRecord {
    RepositoryId repository;
    TimeNs created = 0;
    ChunkSizes chunk_sizes;
    bool has_parity = true;  // writers give every object parity
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
