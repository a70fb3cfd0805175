#include "restore/piece.h"

#include <algorithm>
#include <map>
#include <tuple>

namespace holdfast {
std::vector<Piece> sorted_by_place(std::vector<Piece> pieces, const Index& index) {
    struct Place {
        std::uint64_t container, offset;
        std::size_t piece;
    };
    std::vector<Place> places;
    places.reserve(pieces.size());
    std::map<ObjectId, std::uint64_t> containers;
    for (std::size_t i = 0; i < pieces.size(); ++i) {
        std::uint64_t container = UINT64_MAX, offset = 0;
        const auto located = index.locate(
            pieces[i].chunk, {pieces[i].chunk_offset, static_cast<std::uint32_t>(pieces[i].bytes)});
        if (located.ok()) {
            container = containers.try_emplace(located->container.header.object, containers.size())
                            .first->second;
            offset = located->location.offset;
        }
        places.push_back({container, offset, i});
    }
    std::sort(places.begin(), places.end(), [](const Place& a, const Place& b) {
        return std::tie(a.container, a.offset, a.piece) < std::tie(b.container, b.offset, b.piece);
    });
    std::vector<Piece> sorted;
    sorted.reserve(pieces.size());
    for (const Place& place : places) sorted.push_back(std::move(pieces[place.piece]));
    return sorted;
}

std::span<const Piece> first_chunk(std::span<const Piece> pieces) {
    std::size_t end = 1;
    while (end < pieces.size() && pieces[end].chunk == pieces[0].chunk) ++end;
    return pieces.first(end);
}

std::span<const Piece> first_task(std::span<const Piece> pieces, std::uint64_t task_bytes) {
    std::size_t end = 0;
    for (std::uint64_t bytes = 0; end < pieces.size() && bytes < task_bytes;) {
        const auto chunk = first_chunk(pieces.subspan(end));
        for (const Piece& piece : chunk) bytes += piece.bytes;
        end += chunk.size();
    }
    return pieces.first(end);
}

}  // namespace holdfast
