// Pieces of files on their way back, in the order in which they are fetched.
#pragma once

#include "repository/index.h"
#include "restore/file_writer.h"

namespace holdfast {

// A run, and where it goes.
struct Piece {
    std::shared_ptr<FileWriter> file;
    ChunkId chunk;
    std::uint32_t chunk_offset = 0;
    std::uint64_t bytes = 0;
    std::uint64_t file_offset = 0;
};

// By their places in the repository: those of one chunk follow each other. What has no place comes last.
std::vector<Piece> sorted_by_place(std::vector<Piece> pieces, const Index& index);
// Of pieces in this order, not empty: those that are in the same chunk as the first.
std::span<const Piece> first_chunk(std::span<const Piece> pieces);
// And those that one thread shall fetch: whole chunks.
// Of which at least so many bytes are wanted. On a disk: to hand a chunk of which little is wanted, as of groups of
// files that have mostly died, to another thread takes as long as to read and prove 64 KiB (30 us).
inline constexpr std::uint64_t local_task_bytes = 256u << 10;
// Far away a task is a request or two (max_span_bytes of what is stored).
inline constexpr std::uint64_t remote_task_bytes = 4u << 20;
std::span<const Piece> first_task(std::span<const Piece> pieces, std::uint64_t task_bytes);

}  // namespace holdfast
