#include "format/chunk.h"

namespace holdfast {
namespace {

constexpr std::uint8_t flag_lengths = 1, flag_absent = 2;

Error bad() {
    return {ErrorCode::corrupt, "damaged chunk header"};
}

}  // namespace

std::size_t MemberLayout::count(std::uint32_t raw_bytes) const {
    if (!lengths.empty()) return lengths.size();
    if (uniform_bytes == 0) return 1;
    return (std::size_t{raw_bytes} + uniform_bytes - 1) / uniform_bytes;
}

std::uint32_t MemberLayout::length(std::size_t index, std::uint32_t raw_bytes) const {
    if (!lengths.empty()) return lengths[index];
    if (uniform_bytes == 0) return raw_bytes;
    const std::uint64_t start = std::uint64_t{uniform_bytes} * index;
    return static_cast<std::uint32_t>(std::min<std::uint64_t>(uniform_bytes, raw_bytes - start));
}

std::vector<ChunkRange> ChunkHeader::absent_ranges(std::uint32_t raw_bytes) const {
    std::vector<ChunkRange> ranges;
    std::uint32_t offset = 0;
    std::size_t member = 0;
    for (const auto& [index, hash] : absent) {
        for (; member < index; ++member) offset += members.length(member, raw_bytes);
        const std::uint32_t bytes = members.length(index, raw_bytes);
        if (!ranges.empty() && ranges.back().end() == offset) ranges.back().bytes += bytes;
        else if (bytes != 0) ranges.push_back({offset, bytes});
    }
    return ranges;
}

void encode_chunk_header(const ChunkHeader& header, ByteWriter& out) {
    const bool has_lengths = !header.members.lengths.empty();
    out.u8(static_cast<std::uint8_t>((has_lengths ? flag_lengths : 0) |
                                     (header.absent.empty() ? 0 : flag_absent)));
    if (has_lengths) {
        out.varint(header.members.lengths.size());
        for (const std::uint32_t length : header.members.lengths) out.varint(length);
    } else {
        out.varint(header.members.uniform_bytes);
    }
    if (header.absent.empty()) return;
    out.varint(header.absent.size());
    for (const auto& [index, hash] : header.absent) {
        out.varint(index);
        out.bytes(hash.bytes);
    }
}

Result<ChunkHeader> decode_chunk_header(ByteReader& in, std::uint32_t raw_bytes) {
    ChunkHeader header;
    const std::uint8_t flags = in.u8();
    if ((flags & ~(flag_lengths | flag_absent)) != 0) return bad();
    if ((flags & flag_lengths) != 0) {
        const std::uint64_t count = in.varint_at_most(in.remaining());
        std::uint64_t sum = 0;
        header.members.lengths.reserve(static_cast<std::size_t>(count));
        for (std::uint64_t i = 0; i < count && in.ok(); ++i) {
            header.members.lengths.push_back(
                static_cast<std::uint32_t>(in.varint_at_most(raw_bytes)));
            sum += header.members.lengths.back();
        }
        if (!in.ok() || sum != raw_bytes || count == 0) return bad();
    } else {
        const std::uint32_t page =
            static_cast<std::uint32_t>(in.varint_at_most(std::min<std::uint32_t>(raw_bytes, 65536)));
        if (page != 0 && page < 4096) return bad();
        header.members.uniform_bytes = page;
    }
    if ((flags & flag_absent) != 0) {
        const std::size_t members = header.members.count(raw_bytes);
        const std::uint64_t count = in.varint_at_most(std::min(members, in.remaining() / 33));
        if (count == 0) return bad();
        for (std::uint64_t i = 0; i < count && in.ok(); ++i) {
            const std::uint64_t index = in.varint_at_most(members - 1);
            if (i > 0 && index <= header.absent.back().first) return bad();
            header.absent.emplace_back(static_cast<std::uint32_t>(index), Digest{in.array<32>()});
        }
    }
    if (!in.ok()) return bad();
    return header;
}

ChunkIdBuilder::ChunkIdBuilder(ChunkPurpose purpose) {
    message_.push_back(static_cast<std::uint8_t>(purpose));
}

void ChunkIdBuilder::add(std::uint64_t member_bytes, const Digest& member_hash) {
    ByteWriter out(message_);
    out.u64(member_bytes);
    out.bytes(member_hash.bytes);
}

ChunkId ChunkIdBuilder::finish(const SecretKey& id_key) const {
    return {keyed_hash(id_key, message_).bytes};
}

}  // namespace holdfast
