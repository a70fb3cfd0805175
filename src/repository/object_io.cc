#include "repository/object_io.h"

#include "repository/compression.h"
#include "repository/object_mender.h"

namespace holdfast {
namespace {

// Plaintext bytes of a record frame.
constexpr std::size_t record_frame_bytes = 1u << 20;
// The first ranged read of an object's end: enough for the table of a 64 MiB pack of 1 MiB chunks.
constexpr std::uint64_t end_read_bytes = 64u << 10;
constexpr std::size_t max_record_bytes = 256u << 20;

Error bad(const char* what) {
    return {ErrorCode::corrupt, std::string("damaged object: ") + what};
}

}  // namespace

ObjectEncoder::ObjectEncoder(ObjectKey key) : key_(std::move(key)), cipher_(key_.header, key_.key) {
    Bytes header;
    ByteWriter out(header);
    encode_header(key_.header, out);
    add_piece(std::move(header));
}

void ObjectEncoder::add_piece(Bytes piece) {
    pending_bytes_ += piece.size();
    pending_.push_back(std::move(piece));
}

void ObjectEncoder::add_frame(FrameRole role, Bytes frame, std::vector<std::uint32_t>& sizes) {
    cipher_.seal(frames_, role, frame);
    sizes.push_back(static_cast<std::uint32_t>(frame.size()));
    add_piece(std::move(frame));
    ++frames_;
}

void ObjectEncoder::add_chunk(EncodedChunk chunk) {
    HF_CHECK(table_.record_frame_bytes.empty());
    StoredChunk stored{chunk.id, chunk.purpose,          chunk.raw_bytes, chunk.frame_log2,
                       {},       std::move(chunk.absent)};
    for (Bytes& frame : chunk.frames)
        add_frame(FrameRole::chunk, std::move(frame), stored.frame_bytes);
    table_.chunks.push_back(std::move(stored));
}

void ObjectEncoder::add_record(ByteSpan record) {
    HF_CHECK(table_.record_frame_bytes.empty() && record.size() <= max_record_bytes);
    if (key_.signer) record_hash_ = plain_hash(record);
    Compressor compressor(CompressionLevel::standard);
    do {
        const ByteSpan part = record.first(std::min(record.size(), record_frame_bytes));
        Bytes plain;
        ByteWriter(plain).varint(part.size());
        compressor.append(part, plain);
        add_frame(FrameRole::record, std::move(plain), table_.record_frame_bytes);
        record = record.subspan(part.size());
    } while (!record.empty());
}

void ObjectEncoder::finish_body() {
    if (key_.signer) {
        if (table_.record_frame_bytes.empty()) record_hash_ = plain_hash({});
        table_.signature = ObjectSignature{key_.signer->id, key_.signer->epoch, {}};
        table_.signature->bytes =
            sign(key_.signer->signing_key, signed_message(key_.header, record_hash_, table_));
    }
    Bytes plain;
    ByteWriter writer(plain);
    encode_table(table_, writer);
    std::vector<std::uint32_t> table_frame;
    add_frame(FrameRole::table, std::move(plain), table_frame);
    table_bytes_ = table_frame[0];
}

std::vector<Bytes> ObjectEncoder::take_pending() {
    taken_bytes_ += std::exchange(pending_bytes_, 0);
    return std::exchange(pending_, {});
}

Bytes ObjectEncoder::end(const Digest& body_hash, const Parity& parity) const {
    HF_CHECK(table_bytes_ != 0);
    EnvelopeTrailer trailer;
    trailer.header = key_.header;
    trailer.body_bytes = body_bytes();
    trailer.table_bytes = table_bytes_;
    trailer.frame_count = frames_;
    trailer.body_hash = body_hash;
    return encode_object_end(std::move(trailer), parity);
}

Bytes encode_object_end(EnvelopeTrailer trailer, const Parity& parity) {
    trailer.parity = parity.layout;
    if (parity.layout.scheme != 0)
        trailer.extra_bytes =
            2 * parity.summary.size() + trailer.tail_bytes() + parity.slices.size();
    Bytes tail;
    ByteWriter tail_out(tail);
    encode_tail(trailer, tail_out);
    if (parity.layout.scheme == 0) return tail;
    // Summary and tail stand before and behind the slices: a burst takes one of them only.
    Bytes end;
    end.reserve(static_cast<std::size_t>(trailer.extra_bytes) + tail.size());
    ByteWriter out(end);
    for (const auto* part :
         std::initializer_list<const Bytes*>{&parity.summary, &tail, &parity.slices, &parity.summary, &tail})
        out.bytes(*part);
    return end;
}

namespace {

Parity parity_of(ByteSpan body, const ParityLayout& layout) {
    ParityEncoder encoder(layout);
    encoder.update(body);
    return encoder.finish();
}

}  // namespace

Bytes finish_object(ObjectEncoder& encoder) {
    encoder.finish_body();
    Bytes object;
    const auto body_bytes = static_cast<std::size_t>(encoder.body_bytes());
    object.reserve(body_bytes + body_bytes / 16 + 4 * tail_bytes_max);
    for (const Bytes& piece : encoder.take_pending())
        object.insert(object.end(), piece.begin(), piece.end());
    HF_CHECK(object.size() == encoder.body_bytes());
    Parity parity;
    const ParityLayout layout = parity_layout_of(object.size());
    if (encoder.has_parity() && layout.scheme != 0) parity = parity_of(object, layout);
    const Bytes end = encoder.end(plain_hash(object), parity);
    object.insert(object.end(), end.begin(), end.end());
    return object;
}

Bytes encode_record_object(ObjectKey key, ByteSpan record) {
    ObjectEncoder encoder(std::move(key));
    encoder.add_record(record);
    return finish_object(encoder);
}

Bytes encode_clear_object(ObjectKind kind,
                          const RepositoryId& repository,
                          ByteSpan record,
                          Random& random,
                          std::optional<ObjectSigner> signer) {
    ObjectKey key;
    key.signer = std::move(signer);
    key.header.kind = kind;
    key.header.key_mode = KeyMode::clear;
    key.header.repository = repository;
    key.header.object = ObjectId::random(random);
    return encode_record_object(std::move(key), record);
}

namespace {

// Before there is a key, anybody may have written the object. A tombstone names thousands of containers, and is read by
// who has opened the repository.
std::uint64_t max_record_bytes_of(const EnvelopeHeader& header) {
    constexpr std::uint64_t max_clear_record_bytes = 1u << 20;
    const bool may_be_large = header.key_mode != KeyMode::clear || header.kind == ObjectKind::tombstone;
    return may_be_large ? max_record_bytes : max_clear_record_bytes;
}

// Opens table and record, which end `body` (whose last byte is the body's last).
Result<ObjectEnd> open_end(EnvelopeTrailer trailer,
                           ByteSpan body_end,
                           FrameCipher& cipher,
                           std::uint64_t& missing_bytes) {
    ObjectEnd end;
    missing_bytes = 0;
    if (trailer.table_bytes > body_end.size()) {
        missing_bytes = trailer.table_bytes - body_end.size();
        return end;
    }
    HF_TRY(const Bytes table,
           cipher.open(trailer.frame_count - 1, FrameRole::table, body_end.last(trailer.table_bytes)));
    HF_TRY(end.table, decode_table(table));
    std::uint64_t record_bytes = 0, chunk_bytes = 0, chunk_frames = 0;
    for (const std::uint32_t bytes : end.table.record_frame_bytes) record_bytes += bytes;
    for (const StoredChunk& chunk : end.table.chunks) {
        chunk_bytes += chunk.stored_bytes();
        chunk_frames += chunk.frame_bytes.size();
    }
    if (chunk_frames + end.table.record_frame_bytes.size() + 1 != trailer.frame_count ||
        trailer.header.encoded_bytes() + chunk_bytes + record_bytes + trailer.table_bytes !=
            trailer.body_bytes)
        return bad("table");
    if (record_bytes + trailer.table_bytes > body_end.size()) {
        missing_bytes = record_bytes + trailer.table_bytes - body_end.size();
        return end;
    }
    ByteSpan frames = body_end.first(body_end.size() - trailer.table_bytes)
                          .last(static_cast<std::size_t>(record_bytes));
    std::uint64_t number = chunk_frames;
    const std::uint64_t max_bytes = max_record_bytes_of(trailer.header);
    for (const std::uint32_t bytes : end.table.record_frame_bytes) {
        HF_TRY(const Bytes plain, cipher.open(number++, FrameRole::record, frames.first(bytes)));
        frames = frames.subspan(bytes);
        ByteReader in(plain);
        const std::uint64_t raw = in.varint_at_most(record_frame_bytes);
        if (!in.ok() || end.record.size() + raw > max_bytes) return bad("record");
        const std::size_t start = end.record.size();
        end.record.resize(start + static_cast<std::size_t>(raw));
        HF_TRY_STATUS(decompress(ByteSpan(plain).subspan(in.position()),
                                 MutableByteSpan(end.record).subspan(start)));
    }
    end.trailer = std::move(trailer);
    return end;
}

// Checks what the tail says, and makes the cipher of the object's frames.
Result<FrameCipher> cipher_of(const EnvelopeTrailer& trailer, const Keyring* keyring, ObjectKind kind) {
    if (trailer.header.kind != kind) return bad("not of the expected kind");
    SecretKey key;
    if (keyring != nullptr) {
        const bool is_clear = trailer.header.key_mode == KeyMode::clear;
        if (is_clear && kind != ObjectKind::tombstone) return bad("not sealed");
        auto found = keyring->object_key(trailer.header);
        // A flipped epoch is damage, not a key that this reader lacks.
        if (!found.ok() && !trailer.check_holds) return bad("trailer");
        HF_TRY(key, std::move(found));
    } else if (trailer.header.key_mode != KeyMode::clear) {
        return bad("sealed");
    }
    return FrameCipher(trailer.header, key);
}

Result<ObjectEnd> open_whole(ByteSpan object, const Keyring* keyring, ObjectKind kind) {
    HF_TRY(EnvelopeTrailer trailer, decode_tail(object, object.size()));
    HF_TRY(FrameCipher cipher, cipher_of(trailer, keyring, kind));
    const ByteSpan frames = object.first(static_cast<std::size_t>(trailer.body_bytes));
    std::uint64_t missing = 0;
    HF_TRY(ObjectEnd end, open_end(std::move(trailer), frames, cipher, missing));
    if (missing != 0) return bad("sizes");
    end.object_bytes = object.size();
    if (!end.trailer.check_holds) return bad("trailer");
    const ByteSpan body = object.first(static_cast<std::size_t>(end.trailer.body_bytes));
    if (plain_hash(body) != end.trailer.body_hash) return bad("checksum");
    HF_TRY(const EnvelopeHeader header, decode_header(body));
    if (header != end.trailer.header) return bad("header");
    const ParityLayout& layout = end.trailer.parity;
    if (layout.scheme != ParityLayout::reed_solomon) return end;
    if (!end.trailer.has_parity()) return bad("parity");
    HF_TRY_STATUS(check_object_end(end.trailer, parity_of(body, layout), object.subspan(body.size())));
    return end;
}

// Reads the end of a body, from `offset` in it on.
using ReadBody = std::function<Status(std::uint64_t offset, MutableByteSpan out)>;

// `body_end` are the last bytes of the body that are known already.
Result<ObjectEnd> read_body_end(const EnvelopeTrailer& trailer,
                                const Keyring& keyring,
                                ObjectKind kind,
                                ByteSpan body_end,
                                const ReadBody& read_body) {
    HF_TRY(FrameCipher cipher, cipher_of(trailer, &keyring, kind));
    Bytes read;
    for (;;) {
        std::uint64_t missing = 0;
        HF_TRY(ObjectEnd end, open_end(trailer, body_end, cipher, missing));
        if (missing == 0) return end;
        // Table and record of most objects come with one read.
        const std::uint64_t wanted =
            std::max(body_end.size() + missing, std::min(trailer.body_bytes, end_read_bytes));
        if (wanted > trailer.body_bytes || wanted > max_record_bytes) return bad("sizes");
        read.resize(static_cast<std::size_t>(wanted));
        HF_TRY_STATUS(read_body(trailer.body_bytes - wanted, read));
        body_end = read;
    }
}

Result<ObjectEnd> read_stored_end(Storage& storage,
                                  const Keyring& keyring,
                                  const std::string& name,
                                  std::uint64_t object_bytes,
                                  ObjectKind kind) {
    Bytes read(static_cast<std::size_t>(std::min(object_bytes, end_read_bytes)));
    HF_TRY_STATUS(storage.read(name, object_bytes - read.size(), read));
    HF_TRY(const EnvelopeTrailer trailer, decode_tail(read, object_bytes));
    const std::uint64_t behind = object_bytes - trailer.body_bytes;
    // A pack's parity is larger than the first read.
    ByteSpan body_end = ByteSpan(read).first(
        behind < read.size() ? read.size() - static_cast<std::size_t>(behind) : 0);
    body_end = body_end.last(std::min<std::size_t>(body_end.size(), trailer.body_bytes));
    return read_body_end(trailer, keyring, kind, body_end,
                         [&](std::uint64_t offset, MutableByteSpan out) {
                             return storage.read(name, offset, out);
                         });
}

Result<ObjectEnd> mended_object_end(Storage& storage,
                                    const Keyring& keyring,
                                    const std::string& name,
                                    std::uint64_t object_bytes,
                                    ObjectKind kind) {
    HF_TRY(const auto mender, ObjectMender::open(storage, name, object_bytes));
    return read_body_end(mender->trailer(), keyring, kind, {},
                         [&](std::uint64_t offset, MutableByteSpan out) {
                             return mender->read_body(offset, out);
                         });
}

}  // namespace

Result<ObjectEnd> read_object_end(Storage& storage,
                                  const Keyring& keyring,
                                  const std::string& name,
                                  std::uint64_t object_bytes,
                                  ObjectKind kind,
                                  OnDamage on_damage) {
    auto end = read_stored_end(storage, keyring, name, object_bytes, kind);
    if (!end.ok() && end.error().code() == ErrorCode::corrupt && on_damage == OnDamage::mend) {
        auto mended = mended_object_end(storage, keyring, name, object_bytes, kind);
        if (mended.ok() || mended.error().code() != ErrorCode::corrupt) end = std::move(mended);
    }
    if (!end.ok()) return std::move(end).error().with_context("reading " + name);
    end->object_bytes = object_bytes;
    return end;
}

Result<Bytes> mended_object(Storage& storage,
                            const std::string& name,
                            std::uint64_t object_bytes,
                            std::uint64_t limit_bytes) {
    HF_TRY(const auto mender, ObjectMender::open(storage, name, object_bytes));
    if (mender->trailer().object_bytes() > limit_bytes) return bad("too large");
    Bytes object;
    HF_TRY_STATUS(mender->write([&object](ByteSpan piece) -> Status {
        object.insert(object.end(), piece.begin(), piece.end());
        return {};
    }));
    return object;
}

Result<ObjectEnd> read_object(Storage& storage,
                              const Keyring& keyring,
                              const std::string& name,
                              ObjectKind kind,
                              std::uint64_t limit_bytes) {
    HF_TRY(const Bytes object, storage.get(name, limit_bytes));
    auto end = open_object(object, keyring, kind);
    if (!end.ok() && end.error().code() == ErrorCode::corrupt) {
        const auto mended = mended_object(storage, name, object.size(), limit_bytes);
        if (mended.ok()) end = open_object(*mended, keyring, kind);
    }
    if (!end.ok()) return std::move(end).error().with_context("reading " + name);
    return end;
}

Status check_object_end(const EnvelopeTrailer& trailer, const Parity& parity, ByteSpan end) {
    const Bytes expected = encode_object_end(trailer, parity);
    if (std::equal(end.begin(), end.end(), expected.begin(), expected.end())) return {};
    return bad("parity");
}

Result<ObjectEnd> open_object(ByteSpan object, const Keyring& keyring, ObjectKind kind) {
    return open_whole(object, &keyring, kind);
}

namespace {

Result<Bytes> signed_message_of(const ObjectEnd& end) {
    if (!end.table.signature) return Error(ErrorCode::corrupt, "not signed");
    return signed_message(end.trailer.header, plain_hash(end.record), end.table);
}

}  // namespace

Status check_signature(const ObjectEnd& end, const PublicKey& verify_key) {
    HF_TRY(const Bytes message, signed_message_of(end));
    if (signature_is_valid(verify_key, message, end.table.signature->bytes)) return {};
    return Error(ErrorCode::corrupt, "its signature does not hold");
}

Status check_epoch_signature(const ObjectEnd& end, const Keyring& keyring) {
    HF_TRY(const Bytes message, signed_message_of(end));
    return keyring.check_epoch_signature(*end.table.signature, message);
}

Status check_body(Storage& storage, const std::string& name, const ObjectEnd& end) {
    Hasher hasher;
    Bytes piece;
    for (std::uint64_t position = 0; position < end.trailer.body_bytes; position += piece.size()) {
        piece.resize(static_cast<std::size_t>(
            std::min<std::uint64_t>(1u << 20, end.trailer.body_bytes - position)));
        HF_TRY_STATUS(storage.read(name, position, piece));
        hasher.update(piece);
    }
    if (hasher.finish() == end.trailer.body_hash) return {};
    return bad("checksum").with_context("reading " + name);
}

Status check_identity(const ObjectEnd& end, const ObjectId& expected, const std::string& name) {
    if (end.trailer.header.object == expected) return {};
    return Error(ErrorCode::corrupt, name + ": not the object that its name says");
}

Result<Bytes> open_clear_object(ByteSpan object, ObjectKind kind) {
    HF_TRY(ObjectEnd end, open_whole(object, nullptr, kind));
    return std::move(end.record);
}

}  // namespace holdfast
