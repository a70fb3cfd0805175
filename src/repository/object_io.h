// Whole stored objects: making them frame by frame, reading their ends. docs/format.md#envelope.
#pragma once

#include "repository/keyring.h"
#include "storage/storage.h"

namespace holdfast {

// A chunk that is ready to be sealed: the plaintext of its frames (chunk header in the first; codec
// and payload in each).
struct EncodedChunk {
    ChunkId id;
    ChunkPurpose purpose = ChunkPurpose::data;
    std::uint32_t raw_bytes = 0;
    std::uint8_t frame_log2 = 0;
    std::vector<Bytes> frames;

    std::size_t bytes() const {
        std::size_t total = 0;
        for (const Bytes& frame : frames) total += frame.size();
        return total;
    }
};

// Makes an object: header, chunks, record, table, tail, in this order. What is made so far waits in
// pending() until it is taken. Not thread-safe.
class ObjectEncoder {
  public:
    explicit ObjectEncoder(ObjectKey key);

    const EnvelopeHeader& header() const { return key_.header; }
    const ObjectTable& table() const { return table_; }
    // Bytes so far, taken ones included.
    std::uint64_t total_bytes() const { return taken_bytes_ + pending_.size(); }
    void add_chunk(const EncodedChunk& chunk);
    // At most once, after all chunks.
    void add_record(ByteSpan record);
    // Table and tail; nothing may be added afterwards.
    void finish();
    Bytes take_pending();

  private:
    void add_frame(FrameRole role, ByteSpan plain, std::vector<std::uint32_t>& sizes);

    ObjectKey key_;
    FrameCipher cipher_;
    Hasher body_hasher_;
    ObjectTable table_;
    Bytes pending_;
    std::size_t hashed_ = 0;  // bytes of pending_ that the body hash has seen
    std::uint64_t taken_bytes_ = 0;
    std::uint32_t frames_ = 0;
};

// An object without chunks.
Bytes encode_record_object(ObjectKey key, ByteSpan record);
// The same for a configuration or key slot, in clear.
Bytes encode_clear_object(ObjectKind kind, const RepositoryId& repository, ByteSpan record, Random&);

// What an object's end tells.
struct ObjectEnd {
    EnvelopeTrailer trailer;
    ObjectTable table;
    Bytes record;
    std::uint64_t object_bytes = 0;
};

// Reads and checks the end of an object of `object_bytes`: one ranged read unless table and record
// are long. Errors: not_found, corrupt, unsupported, wrong_key.
Result<ObjectEnd> read_object_end(Storage& storage,
                                  const Keyring& keyring,
                                  const std::string& name,
                                  std::uint64_t object_bytes,
                                  ObjectKind kind);
// The same for an object that is in memory whole; its body hash is checked too.
Result<ObjectEnd> open_object(ByteSpan object, const Keyring& keyring, ObjectKind kind);
// Whether the object is the one that its name says. Errors: corrupt.
Status check_identity(const ObjectEnd& end, const ObjectId& expected, const std::string& name);
// An object in clear. Errors: corrupt, unsupported.
Result<Bytes> open_clear_object(ByteSpan object, ObjectKind kind);

}  // namespace holdfast
