// A chunk: members, its id, and the plaintext of its frames. docs/format.md#chunks.
#pragma once

#include "base/result.h"
#include "crypto/digest.h"
#include "format/envelope.h"
#include "format/ids.h"

namespace holdfast {

// How a chunk's content divides into members.
struct MemberLayout {
    // Not empty: the length of each member. Their sum is the chunk's raw size.
    std::vector<std::uint32_t> lengths;
    // With `lengths` empty: members of this size (the last may be shorter); 0: one member.
    std::uint32_t uniform_bytes = 0;

    std::size_t count(std::uint32_t raw_bytes) const;
    // Length of member `index`.
    std::uint32_t length(std::size_t index, std::uint32_t raw_bytes) const;
    bool operator==(const MemberLayout&) const = default;
};

// What the plaintext of a chunk's first frame begins with.
struct ChunkHeader {
    MemberLayout members;
    // Members that prune has removed, as (index, hash), ascending; their hashes keep the id provable.
    std::vector<std::pair<std::uint32_t, Digest>> absent;

    // The raw bytes of these members, as tables and the index name them.
    std::vector<ChunkRange> absent_ranges(std::uint32_t raw_bytes) const;
    bool operator==(const ChunkHeader&) const = default;
};

void encode_chunk_header(const ChunkHeader& header, ByteWriter& out);
// Reads from `in` and leaves it at the payload. Errors: corrupt.
Result<ChunkHeader> decode_chunk_header(ByteReader& in, std::uint32_t raw_bytes);

// Collects (length, hash) of members in order; the id is their keyed hash.
class ChunkIdBuilder {
  public:
    explicit ChunkIdBuilder(ChunkPurpose purpose);
    void add(std::uint64_t member_bytes, const Digest& member_hash);
    ChunkId finish(const SecretKey& id_key) const;

  private:
    Bytes message_;
};

// How a payload is stored; the numbers are stored, one byte before each frame's payload.
enum class Codec : std::uint8_t { none = 0, zstd = 1 };

}  // namespace holdfast
