// The one form of every stored object: header, frames, table, trailer. docs/format.md#envelope.
#pragma once

#include <optional>

#include "base/result.h"
#include "crypto/aead.h"
#include "crypto/digest.h"
#include "crypto/key_agreement.h"
#include "format/ids.h"
#include "format/parity.h"

namespace holdfast {

inline constexpr std::uint16_t format_version = 1;
// Required feature bits that this program understands: none is defined in version 1.
inline constexpr std::uint64_t known_required_features = 0;

// The numbers are stored.
enum class ObjectKind : std::uint8_t {
    config = 1,
    key_slot = 2,
    data_pack = 3,
    metadata_pack = 4,
    index_fragment = 5,
    restore_point = 6,
    lease = 7,
    fence = 8,
    tombstone = 9,
    mark = 10,
    key_epoch = 11,
    client = 12,
    attestation = 13,
};
// Kinds that are in clear: they lead to the keys. Of the others, tombstones may be: who can only write must know them.
inline bool is_clear_kind(ObjectKind kind) {
    return kind == ObjectKind::config || kind == ObjectKind::key_slot || kind == ObjectKind::key_epoch;
}

enum class KeyMode : std::uint8_t {
    clear = 0,      // frames are not sealed (what is in clear seals itself what it must)
    symmetric = 1,  // the object's key is derived from the epoch's wrapping key and the object id
    sealed = 2,     // a random key, sealed to the epoch's X25519 public key
};

struct EnvelopeHeader {
    ObjectKind kind = ObjectKind::config;
    AeadAlgorithm aead = AeadAlgorithm::aes_256_gcm;
    KeyMode key_mode = KeyMode::clear;
    std::uint16_t key_epoch = 0;
    std::uint64_t required_features = 0;
    std::uint64_t optional_features = 0;
    RepositoryId repository;
    ObjectId object;
    // clear: empty; symmetric: commitment (32); sealed: ephemeral public key (32), sealed object
    // key (48), commitment (32).
    Bytes key_block;

    bool operator==(const EnvelopeHeader&) const = default;
    // Whether its chunks stand in the order of a restore: of several copies of a chunk, readers take this one.
    bool is_in_order() const { return (optional_features & in_order_feature) != 0; }
    static constexpr std::uint64_t in_order_feature = 1;
    // Whether a write-only client may have made it: then nothing in it is believed that is not proven.
    bool is_claim() const { return key_mode == KeyMode::sealed; }
    std::size_t encoded_bytes() const { return fixed_bytes + key_block.size(); }
    static constexpr std::size_t fixed_bytes = 64;
    static constexpr std::size_t max_key_block_bytes = 256;
};

// Size of the key block that a mode has.
std::size_t key_block_bytes_of(KeyMode mode);

void encode_header(const EnvelopeHeader& header, ByteWriter& out);
// Errors: corrupt; unsupported for a newer format version or an unknown required feature.
Result<EnvelopeHeader> decode_header(ByteSpan data);

struct EnvelopeTrailer {
    std::uint64_t body_bytes = 0;   // header and frames, table included
    std::uint32_t table_bytes = 0;  // the last frame, as stored
    std::uint32_t frame_count = 0;  // the table included
    Digest body_hash;               // plain BLAKE3 of the body: a storage is scrubbed without keys
    std::uint8_t reserved = 0;      // for what may stand before the parity one day
    ParityLayout parity;
    std::uint64_t extra_bytes = 0;  // parity, between body and tail
    EnvelopeHeader header;          // the tail repeats the header
    // The tail's own check. Where it does not hold, the object is damaged, but its table may still
    // open: the seal proves that, not the check.
    bool check_holds = true;

    static constexpr std::size_t fixed_bytes = 80;
    std::size_t tail_bytes() const { return header.encoded_bytes() + fixed_bytes; }
    // Whether there is parity that this program knows, with the sizes that it must have.
    bool has_parity() const;
    std::uint64_t object_bytes() const { return body_bytes + extra_bytes + tail_bytes(); }
};

// Repeated header and trailer: what follows body and parity.
void encode_tail(const EnvelopeTrailer& trailer, ByteWriter& out);
// `tail` is the last part of an object of `object_bytes`: at least tail_bytes_max of it, or all.
// Errors: as decode_header.
Result<EnvelopeTrailer> decode_tail(ByteSpan tail, std::uint64_t object_bytes);
// The same of an object whose size is not known, or not the one that it had: nothing compares with it.
Result<EnvelopeTrailer> decode_tail(ByteSpan tail);
inline constexpr std::size_t tail_bytes_max = EnvelopeHeader::fixed_bytes +
                                              EnvelopeHeader::max_key_block_bytes +
                                              EnvelopeTrailer::fixed_bytes;

// What a frame is, bound into its seal: a chunk of chosen content must never pass for a table. The
// numbers are stored.
enum class FrameRole : std::uint8_t { chunk = 1, record = 2, table = 3 };

// Seals and opens the frames of one object. Not thread-safe.
class FrameCipher {
  public:
    // `key` is the object's; unused when the header says clear.
    FrameCipher(const EnvelopeHeader& header, const SecretKey& key);

    std::size_t overhead_bytes() const { return aead_ ? aead_tag_bytes : 0; }
    // Seals in place: `content` grows by overhead_bytes().
    void seal(std::uint64_t frame, FrameRole role, Bytes& content);
    // Errors: corrupt.
    Result<Bytes> open(std::uint64_t frame, FrameRole role, ByteSpan stored);
    // Into memory of the caller's, as much as the frame needs of it; returns that part. Errors: corrupt, also when `out` is
    // too small.
    Result<MutableByteSpan> open(std::uint64_t frame, FrameRole role, ByteSpan stored, MutableByteSpan out);

  private:
    Bytes associated_data(std::uint64_t frame, FrameRole role) const;

    EnvelopeHeader header_;
    std::optional<Aead> aead_;
};

// Binds a header to the one key that opens it.
Digest key_commitment(const SecretKey& object_key, const ObjectId& object);

// What a chunk holds; part of what its id is made from. The numbers are stored.
enum class ChunkPurpose : std::uint8_t {
    data = 1,          // content of files
    node = 2,          // a node of a manifest
    fingerprints = 3,  // of the pages of a data chunk; its id derives from that chunk's id
};

// A part of a chunk's raw bytes.
struct ChunkRange {
    std::uint32_t offset = 0, bytes = 0;

    std::uint32_t end() const { return offset + bytes; }
    bool operator==(const ChunkRange&) const = default;
};

// What stands at an object's end, in its last frame: where the frames are and what they hold.
struct StoredChunk {
    ChunkId id;
    ChunkPurpose purpose = ChunkPurpose::data;
    std::uint32_t raw_bytes = 0;
    // Content bytes a frame, as a power of two; 0: one frame for all.
    std::uint8_t frame_log2 = 0;
    // Stored bytes of each frame, in order.
    std::vector<std::uint32_t> frame_bytes;
    // What prune has taken out of it: ascending, not adjacent.
    std::vector<ChunkRange> absent;

    std::uint64_t stored_bytes() const;
    // Whether all of `part` is in it.
    bool has(const ChunkRange& part) const;
    bool operator==(const StoredChunk&) const = default;
};

// How a chunk is laid out, as tables and fragments say it: a byte that purpose, frame size and whether
// something is absent share, then the frames' sizes and what is absent.
void encode_layout(const StoredChunk& chunk, ByteWriter& out);
// `chunk.raw_bytes` is known. Errors as a failed reader.
void decode_layout(ByteReader& in, StoredChunk& chunk);
// The two parts of it.
std::uint8_t pack_layout(const StoredChunk& chunk);
void encode_frames(const StoredChunk& chunk, ByteWriter& out);
void decode_frames(std::uint8_t packed, ByteReader& in, StoredChunk& chunk);

// Who has made an object, and says so. docs/format.md#table.
struct ObjectSignature {
    KeySlotId signer;          // a write-only client; of zeros: the epoch itself, so somebody who can read
    std::uint16_t epoch = 0;   // in which it was made
    Signature bytes{};         // of signed_message()
    bool operator==(const ObjectSignature&) const = default;
};

// Frames of an object, in order: the chunks' frames, the record's frames, the table itself.
struct ObjectTable {
    std::vector<StoredChunk> chunks;
    std::vector<std::uint32_t> record_frame_bytes;
    std::optional<ObjectSignature> signature;

    bool operator==(const ObjectTable&) const = default;
};

inline constexpr std::uint32_t max_chunk_bytes = 16u << 20;
// Frames of a chunk for its raw size; 0 when the pair is not allowed.
std::size_t frame_count_of(std::uint32_t raw_bytes, std::uint8_t frame_log2);

void encode_table(const ObjectTable& table, ByteWriter& out);
Result<ObjectTable> decode_table(ByteSpan data);

// What is signed of an object: header, record and table, which its end has, and not the chunks, which their ids prove.
// The signature of `table` says whose it is, and is not part of it.
Bytes signed_message(const EnvelopeHeader& header, const Digest& record_hash, const ObjectTable& table);

}  // namespace holdfast
