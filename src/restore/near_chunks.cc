#include "restore/near_chunks.h"

namespace holdfast {
namespace {

// What is read between two chunks and not wanted: at 100 MB/s less than a request of 1 ms takes.
constexpr std::uint64_t max_gap_bytes = 64u << 10;

// A chunk, and what is wanted of it.
struct WantedChunk {
    std::span<const Piece> pieces;
    std::optional<LocatedChunk> place;  // nothing: ChunkReader looks further
};

ChunkRange part_of(const Piece& piece) {
    return {piece.chunk_offset, static_cast<std::uint32_t>(piece.bytes)};
}

std::vector<WantedChunk> wanted_chunks(const Index& index, std::span<const Piece> pieces) {
    std::vector<WantedChunk> wanted;
    while (!pieces.empty()) {
        WantedChunk& chunk = wanted.emplace_back();
        chunk.pieces = first_chunk(pieces);
        auto located = index.locate(chunk.pieces.front().chunk, part_of(chunk.pieces.front()));
        if (located.ok() && located->location.purpose == ChunkPurpose::data) chunk.place = std::move(located).value();
        pieces = pieces.subspan(chunk.pieces.size());
    }
    return wanted;
}

std::uint64_t end_of(const ChunkLocation& location) {
    return location.offset + location.stored_bytes();
}

// How many of the chunks, from the first on, are read with one request.
std::size_t span_length(std::span<const WantedChunk> chunks) {
    if (!chunks[0].place) return 1;
    const ChunkLocation& first = chunks[0].place->location;
    std::uint64_t end = end_of(first);
    std::size_t count = 1;
    for (; count < chunks.size() && chunks[count].place; ++count) {
        const LocatedChunk& next = *chunks[count].place;
        const bool is_near = next.container.header.object == chunks[0].place->container.header.object &&
                             next.location.offset >= end && next.location.offset - end <= max_gap_bytes &&
                             end_of(next.location) - first.offset <= max_span_bytes;
        if (!is_near) break;
        end = end_of(next.location);
    }
    return count;
}

}  // namespace

void read_near_chunks(ChunkReader& chunks, const Index& index, std::span<const Piece> pieces, const TakeChunk& take) {
    const std::vector<WantedChunk> wanted = wanted_chunks(index, pieces);
    // By itself: other places, parity and later fragments are looked at.
    const auto read_alone = [&chunks](const WantedChunk& chunk) {
        return chunks.read_part(chunk.pieces.front().chunk, ChunkPurpose::data, part_of(chunk.pieces.front()));
    };
    for (std::span<const WantedChunk> rest(wanted); !rest.empty();) {
        const auto span = rest.first(span_length(rest));
        rest = rest.subspan(span.size());
        if (span.size() == 1) {
            take(span[0].pieces, read_alone(span[0]));
            continue;
        }
        std::vector<LocatedChunk> places;
        places.reserve(span.size());
        for (const WantedChunk& chunk : span) places.push_back(*chunk.place);
        chunks.read_span(places, [&](std::size_t i, Result<ChunkContent> content) {
            take(span[i].pieces, content.ok() ? std::move(content) : read_alone(span[i]));
        });
    }
}

}  // namespace holdfast
