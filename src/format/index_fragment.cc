#include "format/index_fragment.h"

#include <algorithm>
#include <tuple>

namespace holdfast {
namespace {

Error bad() {
    return {ErrorCode::corrupt, "damaged index fragment"};
}

std::string hex64(std::uint64_t value) {
    std::array<std::uint8_t, 8> bytes{};
    for (std::size_t i = 0; i < 8; ++i)
        bytes[i] = static_cast<std::uint8_t>(value >> (56 - 8 * i));
    return to_hex(bytes);
}

// Beside the cipher's number.
constexpr unsigned in_order_flag = 1u << 7;

void encode_container(const Container& container, ByteWriter& out) {
    const EnvelopeHeader& header = container.header;
    out.u8(static_cast<std::uint8_t>(header.kind));
    out.u8(static_cast<std::uint8_t>(static_cast<unsigned>(header.aead) |
                                     (header.is_in_order() ? in_order_flag : 0u)));
    out.u8(static_cast<std::uint8_t>(header.key_mode));
    out.u16(header.key_epoch);
    out.bytes(header.object.bytes);
    if (header.kind == ObjectKind::restore_point) {
        out.bytes(container.source.bytes);
        out.u64(container.inverted_time);
    } else {
        out.bytes(container.session.bytes);
    }
    out.varint(container.object_bytes);
    out.sized_bytes(header.key_block);
}

Container decode_container(ByteReader& in) {
    Container container;
    EnvelopeHeader& header = container.header;
    const std::uint8_t kind = in.u8();
    const std::uint8_t aead_and_flag = in.u8();
    const auto aead = static_cast<std::uint8_t>(aead_and_flag & (in_order_flag - 1));
    if (aead != aead_and_flag) header.optional_features = EnvelopeHeader::in_order_feature;
    const std::uint8_t mode = in.u8();
    header.kind = static_cast<ObjectKind>(kind);
    header.aead = static_cast<AeadAlgorithm>(aead);
    header.key_mode = static_cast<KeyMode>(mode);
    header.key_epoch = in.u16();
    header.object.bytes = in.array<16>();
    const bool is_point = header.kind == ObjectKind::restore_point;
    const bool is_pack =
        header.kind == ObjectKind::data_pack || header.kind == ObjectKind::metadata_pack;
    if (is_point) {
        container.source.bytes = in.array<8>();
        container.inverted_time = in.u64();
    } else {
        container.session.bytes = in.array<8>();
    }
    container.object_bytes = in.varint();
    const ByteSpan block = in.sized_bytes(EnvelopeHeader::max_key_block_bytes);
    header.key_block.assign(block.begin(), block.end());
    if ((!is_point && !is_pack) || aead < 1 || aead > 2 || mode < 1 || mode > 2 ||
        header.key_block.size() != key_block_bytes_of(header.key_mode))
        in.fail();
    return container;
}

void encode_location(const ChunkLocation& chunk, ByteWriter& out) {
    out.varint(chunk.container);
    out.varint(chunk.first_frame);
    out.varint(chunk.offset);
    out.varint(chunk.raw_bytes);
    encode_layout(chunk, out);
}

// Reads a location and checks it against its container.
void decode_location(ByteReader& in,
                     const std::vector<Container>& containers,
                     ChunkLocation& chunk) {
    const std::uint64_t container = in.varint();
    chunk.first_frame = static_cast<std::uint32_t>(in.varint_at_most(UINT32_MAX));
    chunk.offset = in.varint();
    chunk.raw_bytes = static_cast<std::uint32_t>(in.varint_at_most(max_chunk_bytes));
    decode_layout(in, chunk);
    if (!in.ok() || container >= containers.size()) return in.fail();
    chunk.container = static_cast<std::uint32_t>(container);
    const std::uint64_t total = chunk.stored_bytes();
    const std::uint64_t limit = containers[chunk.container].object_bytes;
    if (chunk.offset > limit || total > limit - chunk.offset) in.fail();
}

// The order of a fragment's chunks.
bool comes_before(const ChunkLocation& a, const ChunkLocation& b) {
    return std::tie(a.id, a.container, a.first_frame) < std::tie(b.id, b.container, b.first_frame);
}

bool is_same_place(const ChunkLocation& a, const ChunkLocation& b) {
    return a.id == b.id && a.container == b.container && a.first_frame == b.first_frame;
}

}  // namespace

std::string container_name(const Container& container) {
    const std::string id = container.header.object.hex();
    switch (container.header.kind) {
        case ObjectKind::restore_point:
            return "points/" + container.source.hex() + '/' + hex64(container.inverted_time) + '-' +
                   id;
        case ObjectKind::data_pack: return "data/" + container.session.hex() + '/' + id;
        case ObjectKind::metadata_pack: return "meta/" + container.session.hex() + '/' + id;
        case ObjectKind::config:
        case ObjectKind::key_slot:
        case ObjectKind::index_fragment:
        case ObjectKind::lease:
        case ObjectKind::fence:
        case ObjectKind::tombstone:
        case ObjectKind::mark:
        case ObjectKind::key_epoch:
        case ObjectKind::client:
        case ObjectKind::attestation: break;
    }
    HF_CHECK(false);  // a container is a pack or a restore point
    return {};
}

std::string fragment_name(std::uint8_t tier, const ObjectId& id) {
    return "index/" + to_hex(std::array{tier}) + '-' + id.hex();
}

std::optional<FragmentName> parse_fragment_name(std::string_view name) {
    if (!name.starts_with("index/") || name.size() != 6 + 3 + 32 || name[8] != '-')
        return std::nullopt;
    const Bytes tier = from_hex(name.substr(6, 2));
    const auto id = ObjectId::from_hex(name.substr(9));
    if (tier.size() != 1 || !id) return std::nullopt;
    return FragmentName{tier[0], *id};
}

void sort_chunks(std::vector<ChunkLocation>& chunks) {
    std::sort(chunks.begin(), chunks.end(), comes_before);
    chunks.erase(std::unique(chunks.begin(), chunks.end(), is_same_place), chunks.end());
}

Bytes encode_index_fragment(const IndexFragmentRecord& record) {
    Bytes data;
    ByteWriter out(data);
    out.u8(record.tier);
    out.varint(record.supersedes.size());
    for (const ObjectId& id : record.supersedes) out.bytes(id.bytes);
    out.varint(record.points.size());
    for (const FoldedPoint& point : record.points) {
        out.bytes(point.source.bytes);
        out.u64(point.inverted_time);
        out.bytes(point.id.bytes);
        out.varint(point.object_bytes);
        out.sized_bytes(point.record);
    }
    out.varint(record.containers.size());
    for (const Container& container : record.containers) encode_container(container, out);
    // Existence apart from location: all ids first.
    out.varint(record.chunks.size());
    for (const ChunkLocation& chunk : record.chunks) out.bytes(chunk.id.bytes);
    for (const ChunkLocation& chunk : record.chunks) encode_location(chunk, out);
    return data;
}

Result<IndexFragmentRecord> decode_index_fragment(ByteSpan data) {
    ByteReader in(data);
    IndexFragmentRecord record;
    record.tier = in.u8();
    record.supersedes.resize(static_cast<std::size_t>(in.varint_at_most(in.remaining() / 16)));
    for (ObjectId& id : record.supersedes) id.bytes = in.array<16>();
    const std::uint64_t points = in.varint_at_most(in.remaining() / 34);
    for (std::uint64_t i = 0; i < points && in.ok(); ++i) {
        FoldedPoint& point = record.points.emplace_back();
        point.source.bytes = in.array<8>();
        point.inverted_time = in.u64();
        point.id.bytes = in.array<16>();
        point.object_bytes = in.varint();
        const ByteSpan bytes = in.sized_bytes();
        point.record.assign(bytes.begin(), bytes.end());
    }
    const std::uint64_t containers = in.varint_at_most(in.remaining() / 30);
    for (std::uint64_t i = 0; i < containers && in.ok(); ++i)
        record.containers.push_back(decode_container(in));
    record.chunks.resize(static_cast<std::size_t>(in.varint_at_most(in.remaining() / 38)));
    for (std::size_t i = 0; i < record.chunks.size(); ++i) {
        record.chunks[i].id.bytes = in.array<32>();
    }
    for (std::size_t i = 0; i < record.chunks.size() && in.ok(); ++i) {
        decode_location(in, record.containers, record.chunks[i]);
        if (i > 0 && !comes_before(record.chunks[i - 1], record.chunks[i])) in.fail();
    }
    if (!in.complete()) return bad();
    return record;
}

std::vector<ChunkLocation> locations_of(const ObjectTable& table,
                                        const EnvelopeHeader& header,
                                        std::uint32_t number) {
    std::vector<ChunkLocation> locations;
    locations.reserve(table.chunks.size());
    std::uint64_t offset = header.encoded_bytes();
    std::uint32_t frame = 0;
    for (const StoredChunk& chunk : table.chunks) {
        locations.push_back({chunk, number, frame, offset});
        offset += chunk.stored_bytes();
        frame += static_cast<std::uint32_t>(chunk.frame_bytes.size());
    }
    return locations;
}

}  // namespace holdfast
