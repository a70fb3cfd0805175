// Pieces of files on their way back, in the order in which they are fetched.
#pragma once

#include "repository/near_chunks.h"
#include "restore/file_writer.h"

namespace holdfast {

// A run, and where it goes.
struct Piece {
    std::shared_ptr<FileWriter> file;
    ChunkId chunk;
    std::uint32_t chunk_offset = 0;
    std::uint64_t bytes = 0;
    std::uint64_t file_offset = 0;
    bool begins_read = true;  // as PlacedChunk has it
};

inline WantedChunk wanted_of(const Piece& piece) {
    return {piece.chunk, {piece.chunk_offset, static_cast<std::uint32_t>(piece.bytes)}};
}
// As order_by_place() has it.
std::vector<Piece> sorted_by_place(std::vector<Piece> pieces, const Index& index);
// Of pieces in this order, not empty: those that are in the same chunk as the first.
std::span<const Piece> first_chunk(std::span<const Piece> pieces);
// And those that one thread shall fetch.
std::span<const Piece> first_task(std::span<const Piece> pieces, const TaskRule& rule);

}  // namespace holdfast
