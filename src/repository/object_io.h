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
    std::vector<ChunkRange> absent;

    std::size_t bytes() const {
        std::size_t total = 0;
        for (const Bytes& frame : frames) total += frame.size();
        return total;
    }
};

// Makes an object's body: header, chunks, record, table, in this order; then its tail. What is made
// so far waits until it is taken; who takes it hashes it, which may be another thread's work.
// Not thread-safe.
class ObjectEncoder {
  public:
    explicit ObjectEncoder(ObjectKey key);

    const EnvelopeHeader& header() const { return key_.header; }
    bool has_parity() const { return key_.has_parity; }
    const ObjectTable& table() const { return table_; }
    // Bytes of the body so far, taken ones included.
    std::uint64_t body_bytes() const { return taken_bytes_ + pending_bytes_; }
    std::size_t pending_bytes() const { return pending_bytes_; }
    // Seals the chunk's frames where they are: nothing is copied.
    void add_chunk(EncodedChunk chunk);
    // At most once, after all chunks.
    void add_record(ByteSpan record);
    // The table; no frame may be added afterwards.
    void finish_body();
    std::vector<Bytes> take_pending();
    // What follows a finished body of this hash and parity (of scheme 0: none).
    Bytes end(const Digest& body_hash, const Parity& parity) const;

  private:
    void add_piece(Bytes piece);
    void add_frame(FrameRole role, Bytes frame, std::vector<std::uint32_t>& sizes);

    ObjectKey key_;
    FrameCipher cipher_;
    ObjectTable table_;
    std::vector<Bytes> pending_;
    std::size_t pending_bytes_ = 0;
    std::uint64_t taken_bytes_ = 0;
    std::uint32_t frames_ = 0;
    std::uint32_t table_bytes_ = 0;
    Digest record_hash_;
};

// Parity and tail: what follows an object's body. `trailer` says all but what parity says.
Bytes encode_object_end(EnvelopeTrailer trailer, const Parity& parity);
// Body and end of an object of which nothing has been taken yet.
Bytes finish_object(ObjectEncoder& encoder);
// An object without chunks.
Bytes encode_record_object(ObjectKey key, ByteSpan record);
// The same for a configuration or key slot, in clear.
Bytes encode_clear_object(ObjectKind kind,
                          const RepositoryId& repository,
                          ByteSpan record,
                          Random& random,
                          std::optional<ObjectSigner> signer = {});

// What an object's end tells.
struct ObjectEnd {
    EnvelopeTrailer trailer;
    ObjectTable table;
    Bytes record;
    std::uint64_t object_bytes = 0;
};

// What a reader does with a damaged object: make do with what parity gives back, or tell of it.
enum class OnDamage : std::uint8_t { mend, fail };

// Reads and checks the end of an object of `object_bytes`: one ranged read, or two for a pack and when table
// and record are long. Errors: not_found, corrupt, unsupported, wrong_key.
Result<ObjectEnd> read_object_end(Storage& storage,
                                  const Keyring& keyring,
                                  const std::string& name,
                                  std::uint64_t object_bytes,
                                  ObjectKind kind,
                                  OnDamage on_damage = OnDamage::mend);
// The same for an object that is in memory whole; its body hash is checked too, and its parity.
Result<ObjectEnd> open_object(ByteSpan object, const Keyring& keyring, ObjectKind kind);
// Reads the whole of an object of at most `limit_bytes`, mends it in memory if it is damaged, and opens it.
// Errors: as read_object_end.
Result<ObjectEnd> read_object(Storage& storage,
                              const Keyring& keyring,
                              const std::string& name,
                              ObjectKind kind,
                              std::uint64_t limit_bytes);
// Whether the holder of the key has signed what the end says. Errors: corrupt.
Status check_signature(const ObjectEnd& end, const PublicKey& verify_key);
// Whether an epoch has, so somebody who can read the repository. Errors: corrupt.
Status check_epoch_signature(const ObjectEnd& end, const Keyring& keyring);
// Whether all of the object is there, piece by piece. Errors: corrupt, of the storage.
Status check_body(Storage& storage, const std::string& name, const ObjectEnd& end);
// Whether the object is the one that its name says. Errors: corrupt.
Status check_identity(const ObjectEnd& end, const ObjectId& expected, const std::string& name);
// An object in clear. Errors: corrupt, unsupported.
Result<Bytes> open_clear_object(ByteSpan object, ObjectKind kind);
// What follows a body of this trailer and parity must be this, to the last byte. Errors: corrupt.
Status check_object_end(const EnvelopeTrailer& trailer, const Parity& parity, ByteSpan end);
// The bytes of a damaged object as they were written. Errors: corrupt when parity cannot tell.
Result<Bytes> mended_object(Storage& storage,
                            const std::string& name,
                            std::uint64_t object_bytes,
                            std::uint64_t limit_bytes);

}  // namespace holdfast
