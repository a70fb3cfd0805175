#include "repository/thinning.h"

#include <algorithm>

namespace holdfast {
namespace {

// Members that are there and not needed, as (index, range).
std::vector<std::pair<std::uint32_t, ChunkRange>> dead_members(const ChunkHeader& header,
                                                               std::uint32_t raw_bytes,
                                                               std::span<const ChunkRange> needed) {
    std::vector<std::pair<std::uint32_t, ChunkRange>> dead;
    const std::size_t count = header.members.count(raw_bytes);
    ChunkRange member;
    std::size_t absent = 0;
    for (std::uint32_t i = 0; i < count; ++i) {
        member = {member.end(), header.members.length(i, raw_bytes)};
        if (absent < header.absent.size() && header.absent[absent].first == i) {
            ++absent;
            continue;
        }
        while (!needed.empty() && needed.front().end() <= member.offset) needed = needed.subspan(1);
        const bool is_needed = !needed.empty() && needed.front().offset < member.end();
        if (!is_needed && member.bytes != 0) dead.emplace_back(i, member);
    }
    return dead;
}

}  // namespace

EncodedChunk encode_chunk(const ChunkId& id,
                          ChunkPurpose purpose,
                          const ChunkHeader& header,
                          ByteSpan content,
                          std::uint8_t frame_log2,
                          Compressor& compressor,
                          MatchTables tables) {
    const auto raw_bytes = static_cast<std::uint32_t>(content.size());
    EncodedChunk chunk{id, purpose, raw_bytes, frame_log2, {}, header.absent_ranges(raw_bytes)};
    const std::size_t frame_bytes =
        frame_log2 == 0 ? content.size() : std::size_t{1} << frame_log2;
    for (std::size_t offset = 0; offset < content.size(); offset += frame_bytes) {
        Bytes frame;
        ByteWriter out(frame);
        if (offset == 0) encode_chunk_header(header, out);
        compressor.append(content.subspan(offset, std::min(frame_bytes, content.size() - offset)),
                          frame, tables);
        chunk.frames.push_back(std::move(frame));
    }
    return chunk;
}

std::uint64_t dead_bytes(const ChunkHeader& header,
                         std::uint32_t raw_bytes,
                         std::span<const ChunkRange> needed) {
    std::uint64_t bytes = 0;
    for (const auto& [index, range] : dead_members(header, raw_bytes, needed)) bytes += range.bytes;
    return bytes;
}

EncodedChunk thin(const LocatedChunk& chunk,
                  ChunkContent content,
                  std::span<const ChunkRange> needed,
                  const Keyring& keyring,
                  Compressor& compressor) {
    ChunkHeader header = std::move(content.header);
    const auto& location = chunk.location;
    for (const auto& [index, range] : dead_members(header, location.raw_bytes, needed)) {
        const MutableByteSpan bytes =
            MutableByteSpan(content.bytes).subspan(range.offset, range.bytes);
        header.absent.emplace_back(index, keyed_hash(keyring.member_key(), bytes));
        std::fill(bytes.begin(), bytes.end(), std::uint8_t{0});
    }
    std::sort(header.absent.begin(), header.absent.end(),
              [](const auto& a, const auto& b) { return a.first < b.first; });
    // Pages are compressed as a backup does it, and so are files.
    const MatchTables tables =
        header.members.lengths.empty() ? MatchTables::usual : MatchTables::in_cache;
    return encode_chunk(location.id, location.purpose, header, content.bytes, location.frame_log2,
                        compressor, tables);
}

std::vector<ChunkRange> present_ranges(const ChunkLocation& chunk) {
    std::vector<ChunkRange> ranges;
    std::uint32_t end = 0;
    const auto add_until = [&](std::uint32_t offset) {
        if (offset > end) ranges.push_back({end, offset - end});
    };
    for (const ChunkRange& gone : chunk.absent) {
        add_until(gone.offset);
        end = gone.end();
    }
    add_until(chunk.raw_bytes);
    return ranges;
}

}  // namespace holdfast
