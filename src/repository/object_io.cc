#include "repository/object_io.h"

#include "repository/compression.h"

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

Bytes ObjectEncoder::tail(const Digest& body_hash) const {
    HF_CHECK(table_bytes_ != 0);
    EnvelopeTrailer trailer;
    trailer.header = key_.header;
    trailer.body_bytes = body_bytes();
    trailer.table_bytes = table_bytes_;
    trailer.frame_count = frames_;
    trailer.body_hash = body_hash;
    Bytes tail;
    ByteWriter out(tail);
    encode_tail(trailer, out);
    return tail;
}

Bytes finish_object(ObjectEncoder& encoder) {
    encoder.finish_body();
    Bytes object;
    object.reserve(static_cast<std::size_t>(encoder.body_bytes()) + tail_bytes_max);
    for (const Bytes& piece : encoder.take_pending())
        object.insert(object.end(), piece.begin(), piece.end());
    HF_CHECK(object.size() == encoder.body_bytes());
    const Bytes tail = encoder.tail(plain_hash(object));
    object.insert(object.end(), tail.begin(), tail.end());
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
                          Random& random) {
    ObjectKey key;
    key.header.kind = kind;
    key.header.key_mode = KeyMode::clear;
    key.header.repository = repository;
    key.header.object = ObjectId::random(random);
    return encode_record_object(std::move(key), record);
}

namespace {

constexpr std::uint64_t max_clear_record_bytes = 1u << 20;

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
    // Before there is a key, anybody may have written the object.
    const std::uint64_t max_bytes = trailer.header.key_mode == KeyMode::clear
                                        ? max_clear_record_bytes
                                        : max_record_bytes;
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

// `tail` are the object's last bytes.
Result<ObjectEnd> open_tail(ByteSpan tail,
                            std::uint64_t object_bytes,
                            const Keyring* keyring,
                            ObjectKind kind,
                            std::uint64_t& missing_bytes) {
    HF_TRY(EnvelopeTrailer trailer, decode_tail(tail, object_bytes));
    if (trailer.header.kind != kind) return bad("not of the expected kind");
    SecretKey key;
    if (keyring != nullptr) {
        if (trailer.header.key_mode == KeyMode::clear) return bad("not sealed");
        HF_TRY(key, keyring->object_key(trailer.header));
    } else if (trailer.header.key_mode != KeyMode::clear) {
        return bad("sealed");
    }
    FrameCipher cipher(trailer.header, key);
    const std::uint64_t after_body = object_bytes - trailer.body_bytes;
    if (after_body > tail.size()) {
        missing_bytes = after_body + trailer.table_bytes - tail.size();
        return ObjectEnd{};
    }
    ByteSpan body_end = tail.first(tail.size() - static_cast<std::size_t>(after_body));
    if (body_end.size() > trailer.body_bytes) return bad("sizes");
    HF_TRY(ObjectEnd end, open_end(std::move(trailer), body_end, cipher, missing_bytes));
    end.object_bytes = object_bytes;
    return end;
}

Result<ObjectEnd> open_whole(ByteSpan object, const Keyring* keyring, ObjectKind kind) {
    std::uint64_t missing = 0;
    HF_TRY(ObjectEnd end, open_tail(object, object.size(), keyring, kind, missing));
    if (missing != 0) return bad("sizes");
    if (!end.trailer.check_holds) return bad("trailer");
    const ByteSpan body = object.first(static_cast<std::size_t>(end.trailer.body_bytes));
    if (plain_hash(body) != end.trailer.body_hash) return bad("checksum");
    HF_TRY(const EnvelopeHeader header, decode_header(body));
    if (header != end.trailer.header) return bad("header");
    return end;
}

}  // namespace

Result<ObjectEnd> read_object_end(Storage& storage,
                                  const Keyring& keyring,
                                  const std::string& name,
                                  std::uint64_t object_bytes,
                                  ObjectKind kind) {
    std::uint64_t wanted = std::min(object_bytes, end_read_bytes);
    for (;;) {
        Bytes tail(static_cast<std::size_t>(wanted));
        HF_TRY_STATUS(storage.read(name, object_bytes - wanted, tail));
        std::uint64_t missing = 0;
        auto end = open_tail(tail, object_bytes, &keyring, kind, missing);
        if (!end.ok()) return std::move(end).error().with_context("reading " + name);
        if (missing == 0) return end;
        if (wanted + missing > object_bytes || wanted + missing > max_record_bytes)
            return bad("sizes").with_context("reading " + name);
        wanted += missing;
    }
}

Result<ObjectEnd> open_object(ByteSpan object, const Keyring& keyring, ObjectKind kind) {
    return open_whole(object, &keyring, kind);
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
