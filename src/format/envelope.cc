#include "format/envelope.h"

#include <algorithm>

namespace holdfast {
namespace {

constexpr std::array<std::uint8_t, 4> header_magic{'H', 'F', 'S', 'T'};
constexpr std::array<std::uint8_t, 4> trailer_magic{'H', 'F', 'T', 'E'};

Error bad(const char* what) {
    return {ErrorCode::corrupt, std::string("damaged object: ") + what};
}

// The first four bytes of the plain hash: tells rot in the tail from a tail of another format.
std::uint32_t tail_check(ByteSpan data) {
    const Digest digest = plain_hash(data);
    return ByteReader(digest.bytes).u32();
}

bool is_valid_kind(std::uint8_t kind) {
    return kind >= static_cast<std::uint8_t>(ObjectKind::config) &&
           kind <= static_cast<std::uint8_t>(ObjectKind::attestation);
}

}  // namespace

std::size_t key_block_bytes_of(KeyMode mode) {
    switch (mode) {
        case KeyMode::clear: return 0;
        case KeyMode::symmetric: return 32;
        case KeyMode::sealed: return 32 + 48 + 32;
    }
    return 0;
}

void encode_header(const EnvelopeHeader& header, ByteWriter& out) {
    HF_CHECK(header.key_block.size() <= EnvelopeHeader::max_key_block_bytes);
    out.bytes(header_magic);
    out.u16(format_version);
    out.u8(static_cast<std::uint8_t>(header.kind));
    out.u8(header.key_mode == KeyMode::clear ? 0 : static_cast<std::uint8_t>(header.aead));
    out.u64(header.required_features);
    out.u64(header.optional_features);
    out.bytes(header.repository.bytes);
    out.bytes(header.object.bytes);
    out.u8(static_cast<std::uint8_t>(header.key_mode));
    out.u8(0);
    out.u16(header.key_epoch);
    out.u16(static_cast<std::uint16_t>(header.key_block.size()));
    out.u16(0);
    out.bytes(header.key_block);
}

Result<EnvelopeHeader> decode_header(ByteSpan data) {
    ByteReader in(data);
    if (in.array<4>() != header_magic) return bad("no header");
    const std::uint16_t version = in.u16();
    EnvelopeHeader header;
    const std::uint8_t kind = in.u8();
    const std::uint8_t aead = in.u8();
    header.required_features = in.u64();
    header.optional_features = in.u64();
    header.repository.bytes = in.array<16>();
    header.object.bytes = in.array<16>();
    const std::uint8_t mode = in.u8();
    const std::uint8_t zero1 = in.u8();
    header.key_epoch = in.u16();
    const std::uint16_t key_block_bytes = in.u16();
    const std::uint16_t zero2 = in.u16();
    if (!in.ok()) return bad("header cut short");
    if (version > format_version)
        return Error(ErrorCode::unsupported,
                     "format version " + std::to_string(version) +
                         " is newer than this program knows (" + std::to_string(format_version) +
                         "): update holdfast");
    if ((header.required_features & ~known_required_features) != 0)
        return Error(ErrorCode::unsupported,
                     "the object needs features that this program does not know: update holdfast");
    if (version != format_version || zero1 != 0 || zero2 != 0 || !is_valid_kind(kind))
        return bad("header");
    header.kind = static_cast<ObjectKind>(kind);
    if (mode > static_cast<std::uint8_t>(KeyMode::sealed)) return bad("key mode");
    header.key_mode = static_cast<KeyMode>(mode);
    if (key_block_bytes != key_block_bytes_of(header.key_mode)) return bad("key block");
    if (header.key_mode == KeyMode::clear ? aead != 0 : aead < 1 || aead > 2) return bad("cipher");
    if (header.key_mode == KeyMode::clear && header.key_epoch != 0) return bad("key epoch");
    if (aead != 0) header.aead = static_cast<AeadAlgorithm>(aead);
    const ByteSpan block = in.bytes(key_block_bytes);
    if (!in.ok()) return bad("header cut short");
    header.key_block.assign(block.begin(), block.end());
    return header;
}

void encode_tail(const EnvelopeTrailer& trailer, ByteWriter& out) {
    Bytes tail;
    ByteWriter writer(tail);
    encode_header(trailer.header, writer);
    const std::size_t header_bytes = tail.size();
    writer.u64(trailer.body_bytes);
    writer.u32(trailer.table_bytes);
    writer.u32(trailer.frame_count);
    writer.bytes(trailer.body_hash.bytes);
    writer.u8(trailer.reserved);
    writer.u8(trailer.parity.scheme);
    writer.u8(trailer.parity.data_slices);
    writer.u8(trailer.parity.parity_slices);
    writer.u32(trailer.parity.slice_bytes);
    writer.u64(trailer.extra_bytes);
    writer.u32(static_cast<std::uint32_t>(header_bytes));
    writer.u32(tail_check(tail));
    writer.u32(0);
    writer.bytes(trailer_magic);
    HF_CHECK(tail.size() == header_bytes + EnvelopeTrailer::fixed_bytes);
    out.bytes(tail);
}

Result<EnvelopeTrailer> decode_tail(ByteSpan tail, std::uint64_t object_bytes) {
    HF_TRY(EnvelopeTrailer trailer, decode_tail(tail));
    if (trailer.body_bytes > object_bytes || trailer.extra_bytes > object_bytes ||
        trailer.object_bytes() != object_bytes)
        return bad("sizes in the trailer");
    return trailer;
}

Result<EnvelopeTrailer> decode_tail(ByteSpan tail) {
    if (tail.size() < EnvelopeTrailer::fixed_bytes) return bad("too short");
    ByteReader in(tail.last(EnvelopeTrailer::fixed_bytes));
    EnvelopeTrailer trailer;
    trailer.body_bytes = in.u64();
    trailer.table_bytes = in.u32();
    trailer.frame_count = in.u32();
    trailer.body_hash.bytes = in.array<32>();
    trailer.reserved = in.u8();
    trailer.parity.scheme = in.u8();
    trailer.parity.data_slices = in.u8();
    trailer.parity.parity_slices = in.u8();
    trailer.parity.slice_bytes = in.u32();
    trailer.extra_bytes = in.u64();
    const std::uint32_t header_bytes = in.u32();
    const std::uint32_t check = in.u32();
    const std::uint32_t reserved = in.u32();
    if (in.array<4>() != trailer_magic) return bad("no trailer (cut short?)");

    if (header_bytes > tail.size() - EnvelopeTrailer::fixed_bytes ||
        header_bytes > EnvelopeHeader::fixed_bytes + EnvelopeHeader::max_key_block_bytes)
        return bad("trailer");
    const ByteSpan repeated =
        tail.last(EnvelopeTrailer::fixed_bytes + header_bytes).first(header_bytes);
    const ByteSpan checked = tail.last(EnvelopeTrailer::fixed_bytes + header_bytes)
                                 .first(header_bytes + EnvelopeTrailer::fixed_bytes - 12);
    trailer.check_holds = tail_check(checked) == check && reserved == 0;
    auto header = decode_header(repeated);
    // A flipped version or feature bit is damage, not a format to come.
    if (!header.ok() && !trailer.check_holds) return bad("trailer");
    HF_TRY(trailer.header, std::move(header));
    if (header_bytes != trailer.header.encoded_bytes()) return bad("trailer");
    const ParityLayout& parity = trailer.parity;
    if (trailer.check_holds && parity.scheme == 0 &&
        (parity.data_slices != 0 || parity.parity_slices != 0 || parity.slice_bytes != 0))
        return bad("parity in the trailer");
    // Far from the largest number, so that sums are safe.
    constexpr std::uint64_t max_part_bytes = std::uint64_t{1} << 62;
    if (trailer.body_bytes > max_part_bytes || trailer.extra_bytes > max_part_bytes ||
        trailer.table_bytes > trailer.body_bytes || trailer.frame_count == 0 ||
        trailer.body_bytes < trailer.header.encoded_bytes() + trailer.table_bytes)
        return bad("sizes in the trailer");
    return trailer;
}

bool EnvelopeTrailer::has_parity() const {
    return parity.is_valid_for(body_bytes) &&
           extra_bytes == 2 * std::uint64_t{parity.summary_bytes(body_bytes)} + tail_bytes() +
                              parity.slices_bytes();
}

FrameCipher::FrameCipher(const EnvelopeHeader& header, const SecretKey& key) : header_(header) {
    if (header.key_mode != KeyMode::clear) aead_.emplace(header.aead, key);
}

Bytes FrameCipher::associated_data(std::uint64_t frame, FrameRole role) const {
    Bytes data;
    data.reserve(48);
    ByteWriter out(data);
    out.u16(format_version);
    out.u8(static_cast<std::uint8_t>(header_.kind));
    out.bytes(header_.repository.bytes);
    out.bytes(header_.object.bytes);
    out.u64(frame);
    out.u8(static_cast<std::uint8_t>(role));
    return data;
}

void FrameCipher::seal(std::uint64_t frame, FrameRole role, Bytes& content) {
    if (!aead_) return;
    const std::size_t plain_bytes = content.size();
    content.resize(plain_bytes + aead_tag_bytes);
    aead_->seal(frame, associated_data(frame, role), ByteSpan(content).first(plain_bytes), content);
}

Result<Bytes> FrameCipher::open(std::uint64_t frame, FrameRole role, ByteSpan stored) {
    Bytes plain(stored.size() - std::min(stored.size(), overhead_bytes()));
    HF_TRY_STATUS(open(frame, role, stored, plain));
    return plain;
}

Result<MutableByteSpan> FrameCipher::open(std::uint64_t frame, FrameRole role, ByteSpan stored, MutableByteSpan out) {
    if (stored.size() < overhead_bytes()) return bad("frame too short");
    if (out.size() < stored.size() - overhead_bytes()) return bad("frame too long");
    out = out.first(stored.size() - overhead_bytes());
    if (aead_) HF_TRY_STATUS(aead_->open(frame, associated_data(frame, role), stored, out));
    else std::copy(stored.begin(), stored.end(), out.begin());
    return out;
}

Digest key_commitment(const SecretKey& object_key, const ObjectId& object) {
    const SecretKey key =
        derive_key("holdfast 2026 key commitment", object_key.bytes());
    return keyed_hash(key, object.bytes);
}

std::uint64_t StoredChunk::stored_bytes() const {
    std::uint64_t total = 0;
    for (const std::uint32_t bytes : frame_bytes) total += bytes;
    return total;
}

bool StoredChunk::has(const ChunkRange& part) const {
    return std::none_of(absent.begin(), absent.end(), [&](const ChunkRange& gone) {
        return gone.offset < std::uint64_t{part.offset} + part.bytes && part.offset < gone.end();
    });
}

namespace {

constexpr unsigned layout_thinned = 1u << 7;

void decode_absent(ByteReader& in, StoredChunk& chunk) {
    const std::uint64_t count = in.varint_at_most(in.remaining() / 2);
    if (count == 0) return in.fail();
    std::uint32_t end = 0;
    for (std::uint64_t i = 0; i < count && in.ok(); ++i) {
        const auto gap = static_cast<std::uint32_t>(in.varint_at_most(chunk.raw_bytes - end));
        const ChunkRange range{end + gap, static_cast<std::uint32_t>(
                                              in.varint_at_most(chunk.raw_bytes - end - gap))};
        if (range.bytes == 0 || (i > 0 && gap == 0)) return in.fail();
        chunk.absent.push_back(range);
        end = range.end();
    }
}

}  // namespace

std::uint8_t pack_layout(const StoredChunk& chunk) {
    return static_cast<std::uint8_t>((chunk.absent.empty() ? 0u : layout_thinned) |
                                     static_cast<unsigned>(chunk.purpose) << 5 | chunk.frame_log2);
}

void encode_frames(const StoredChunk& chunk, ByteWriter& out) {
    for (const std::uint32_t bytes : chunk.frame_bytes) out.varint(bytes);
    if (chunk.absent.empty()) return;
    out.varint(chunk.absent.size());
    std::uint32_t end = 0;
    for (const ChunkRange& range : chunk.absent) {
        out.varint(range.offset - end);
        out.varint(range.bytes);
        end = range.end();
    }
}

void encode_layout(const StoredChunk& chunk, ByteWriter& out) {
    out.u8(pack_layout(chunk));
    encode_frames(chunk, out);
}

void decode_frames(std::uint8_t packed, ByteReader& rest, StoredChunk& chunk) {
    const unsigned purpose = packed >> 5 & 3;
    if (purpose == 0) return rest.fail();
    chunk.purpose = static_cast<ChunkPurpose>(purpose);
    chunk.frame_log2 = packed & 31;
    const std::size_t frames = frame_count_of(chunk.raw_bytes, chunk.frame_log2);
    if (!rest.ok() || frames == 0 || frames > rest.remaining()) return rest.fail();
    chunk.frame_bytes.reserve(frames);
    for (std::size_t i = 0; i < frames; ++i)
        chunk.frame_bytes.push_back(
            static_cast<std::uint32_t>(rest.varint_at_most(2 * max_chunk_bytes)));
    if ((packed & layout_thinned) != 0) decode_absent(rest, chunk);
}

void decode_layout(ByteReader& in, StoredChunk& chunk) {
    const std::uint8_t packed = in.u8();
    decode_frames(packed, in, chunk);
}

std::size_t frame_count_of(std::uint32_t raw_bytes, std::uint8_t frame_log2) {
    if (raw_bytes == 0 || raw_bytes > max_chunk_bytes) return 0;
    if (frame_log2 == 0) return 1;
    if (frame_log2 < 12 || frame_log2 > 24) return 0;
    return (raw_bytes + (std::size_t{1} << frame_log2) - 1) >> frame_log2;
}

void encode_table(const ObjectTable& table, ByteWriter& out) {
    out.varint(table.chunks.size());
    for (const StoredChunk& chunk : table.chunks) {
        HF_CHECK(chunk.frame_bytes.size() == frame_count_of(chunk.raw_bytes, chunk.frame_log2));
        out.bytes(chunk.id.bytes);
        out.varint(chunk.raw_bytes);
        encode_layout(chunk, out);
    }
    out.varint(table.record_frame_bytes.size());
    for (const std::uint32_t bytes : table.record_frame_bytes) out.varint(bytes);
    if (!table.signature) return;
    out.bytes(table.signature->signer.bytes);
    out.u16(table.signature->epoch);
    out.bytes(table.signature->bytes);
}

Bytes signed_message(const EnvelopeHeader& header, const Digest& record_hash, const ObjectTable& table) {
    HF_CHECK(table.signature.has_value());
    Bytes encoded_header, encoded_table;
    ByteWriter header_out(encoded_header), table_out(encoded_table);
    encode_header(header, header_out);
    ObjectTable unsigned_table = table;
    unsigned_table.signature.reset();
    encode_table(unsigned_table, table_out);
    Bytes message;
    ByteWriter out(message);
    out.bytes(as_bytes("holdfast 2026 signed object"));
    out.bytes(table.signature->signer.bytes);
    out.u16(table.signature->epoch);
    out.bytes(plain_hash(encoded_header).bytes);
    out.bytes(record_hash.bytes);
    out.bytes(plain_hash(encoded_table).bytes);
    return message;
}

Result<ObjectTable> decode_table(ByteSpan data) {
    ByteReader in(data);
    ObjectTable table;
    const std::uint64_t count = in.varint_at_most(data.size() / 34);
    for (std::uint64_t i = 0; i < count && in.ok(); ++i) {
        StoredChunk chunk;
        chunk.id.bytes = in.array<32>();
        chunk.raw_bytes = static_cast<std::uint32_t>(in.varint_at_most(max_chunk_bytes));
        decode_layout(in, chunk);
        if (!in.ok()) return bad("table");
        table.chunks.push_back(std::move(chunk));
    }
    const std::uint64_t record_frames = in.varint_at_most(in.remaining());
    for (std::uint64_t i = 0; i < record_frames && in.ok(); ++i)
        table.record_frame_bytes.push_back(
            static_cast<std::uint32_t>(in.varint_at_most(2 * max_chunk_bytes)));
    if (in.ok() && !in.at_end()) {
        ObjectSignature& signature = table.signature.emplace();
        signature.signer.bytes = in.array<16>();
        signature.epoch = in.u16();
        signature.bytes = in.array<64>();
    }
    if (!in.complete()) return bad("table");
    return table;
}

}  // namespace holdfast
