// Reads chunks by id, with every check that the format gives.
#pragma once

#include <functional>

#include "base/raw_bytes.h"
#include "format/chunk.h"
#include "repository/index.h"
#include "repository/object_io.h"
#include "repository/object_mender.h"
#include "storage/storage.h"

namespace holdfast {

// A chunk's raw bytes, proven by its id. What is absent are zeros.
struct ChunkContent {
    ChunkHeader header;
    RawBytes bytes;
    std::vector<ChunkRange> absent;

    // Whether all of `part` is in it. It may reach beyond the end: then it is not.
    bool has(std::uint64_t offset, std::uint64_t count) const;
};

// The id of a chunk with this content, under the repository's keys: from the members that are there and the hashes of
// those that are not. docs/format.md#chunks.
ChunkId chunk_id_of(ChunkPurpose purpose, const ChunkHeader& header, ByteSpan content, const Keyring& keyring);

// Opened containers' keys are kept. Thread-safe. Memory: what the caller holds, 100 bytes for
// each of the last 4,096 containers, and one ObjectMender.
class ChunkReader {
  public:
    // `find_more` is called when the index does not have a chunk: what it adds is looked at once more.
    ChunkReader(Storage& storage,
                const Keyring& keyring,
                Index& index,
                std::function<Status()> find_more)
        : storage_(storage), keyring_(keyring), index_(index), find_more_(std::move(find_more)) {}

    // Told of what a manifest refers to and that cannot be had. May be empty; set by one thread before reading.
    std::function<void(const ChunkId&, const ChunkRange&)> on_missing;
    // Called with the name of a pack that is frozen; when it returns, the pack can be read, and is read again. May be
    // empty: then that is the error. Set by one thread before reading; called by several.
    std::function<Status(const std::string& name)> on_frozen;

    // The whole content, its id verified (of fingerprints, whose id derives from another chunk's: the
    // seal only). Errors: not_found (no such chunk or object), corrupt, frozen.
    Result<RawBytes> read(const ChunkId& id, ChunkPurpose purpose);
    // As much as a place has that has `part`. Errors: as read.
    Result<ChunkContent> read_part(const ChunkId& id, ChunkPurpose purpose, const ChunkRange& part);
    // What this place has. Errors: as read.
    Result<ChunkContent> read(const LocatedChunk& chunk);
    // Chunks of one container, in the order of their places, none in another: what lies from the first to the last is
    // read with one request. `take` gets each one's frames as they are stored, and its number. Nothing is mended here.
    using TakeStored = std::function<void(std::size_t number, Result<ByteSpan> stored)>;
    void read_span(std::span<const LocatedChunk> chunks, const TakeStored& take);
    // How it is divided, and what is absent. Errors: as read.
    Result<ChunkHeader> read_header(const LocatedChunk& chunk);
    // The frames, unsealed and otherwise as they are, ready to be sealed again. What a write-only client claims
    // is proven by its id before; its fingerprints cannot be, and are refused (corrupt). Errors: as read.
    Result<EncodedChunk> read_frames(const LocatedChunk& chunk);
    // The stored frames of `chunk` are already in memory (`stored`).
    Result<ChunkContent> decode(const LocatedChunk& chunk, ByteSpan stored);
    // The same, unsealed and otherwise as they are.
    Result<EncodedChunk> unseal_frames(const LocatedChunk& chunk, ByteSpan stored);

  private:
    Result<LocatedChunk> locate(const ChunkId& id,
                                const ChunkRange& part,
                                const Index::Containers& without);
    Status read_from(const Container& container, std::uint64_t offset, MutableByteSpan out);
    Result<RawBytes> read_stored(const LocatedChunk& chunk, std::size_t frames);
    // What `open` makes of the first `frames` frames as they are stored, or else of what parity gives back.
    template <typename Open>
    auto open_stored(const LocatedChunk& chunk, std::size_t frames, const Open& open)
        -> decltype(open(ByteSpan{}));
    Status open_mender(const std::string& name, std::uint64_t object_bytes);
    Result<RawBytes> read_mended(const LocatedChunk& chunk, std::size_t frames);
    Result<FrameCipher> cipher_of(const Container& container);
    Result<RawBytes> unseal(const LocatedChunk& chunk, ByteSpan stored, ChunkHeader& header);
    Result<SecretKey> object_key(const EnvelopeHeader& header);

    Storage& storage_;
    const Keyring& keyring_;
    Index& index_;
    const std::function<Status()> find_more_;
    std::mutex mutex_;  // guards keys_
    std::unordered_map<ObjectId, SecretKey, IdHash<ObjectId>> keys_;
    std::mutex mender_mutex_;  // guards what follows
    // Of the last damaged object, or why there is none: to find its parity may take a search of all of it.
    std::unique_ptr<ObjectMender> mender_;
    Status mendable_;
    std::string mended_name_;
    std::uint64_t mended_bytes_ = 0;  // its size then
};

}  // namespace holdfast
