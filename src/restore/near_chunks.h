// Reads chunks that stand near each other with one request.
#pragma once

#include <functional>

#include "repository/chunk_reader.h"
#include "restore/piece.h"

namespace holdfast {

// Shows `take` each chunk that the pieces are in (in their order, as sorted_by_place() has it) with the pieces of it.
// Memory: one span of max_span_bytes, or one chunk, and a chunk's content. Thread-safe, as chunks and index are.
inline constexpr std::uint64_t max_span_bytes = 2u << 20;
using TakeChunk = std::function<void(std::span<const Piece>, Result<ChunkContent>)>;
void read_near_chunks(ChunkReader& chunks, const Index& index, std::span<const Piece> pieces, const TakeChunk& take);

}  // namespace holdfast
