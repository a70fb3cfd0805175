#include "restore/piece.h"

namespace holdfast {
std::vector<Piece> sorted_by_place(std::vector<Piece> pieces, const Index& index) {
    std::vector<WantedChunk> wanted;
    wanted.reserve(pieces.size());
    for (const Piece& piece : pieces) wanted.push_back(wanted_of(piece));
    std::vector<Piece> sorted;
    sorted.reserve(pieces.size());
    for (const PlacedChunk& placed : order_by_place(wanted, index)) {
        sorted.push_back(std::move(pieces[placed.number]));
        sorted.back().begins_read = placed.begins_read;
    }
    return sorted;
}

std::span<const Piece> first_chunk(std::span<const Piece> pieces) {
    std::size_t end = 1;
    while (end < pieces.size() && pieces[end].chunk == pieces[0].chunk) ++end;
    return pieces.first(end);
}

std::span<const Piece> first_task(std::span<const Piece> pieces, const TaskRule& rule) {
    std::size_t end = 0;
    std::uint64_t bytes = 0;
    while (end < pieces.size()) {
        if (end > 0 && rule.ends_before(pieces[end].begins_read, bytes)) break;
        const auto chunk = first_chunk(pieces.subspan(end));
        for (const Piece& piece : chunk) bytes += piece.bytes;
        end += chunk.size();
    }
    return pieces.first(end);
}

}  // namespace holdfast
