// Chunks without the members that nobody needs. docs/format.md#chunks.
#pragma once

#include "repository/chunk_reader.h"
#include "repository/compression.h"

namespace holdfast {

// The plaintext of a chunk's frames, ready to be sealed.
EncodedChunk encode_chunk(const ChunkId& id,
                          ChunkPurpose purpose,
                          const ChunkHeader& header,
                          ByteSpan content,
                          std::uint8_t frame_log2,
                          Compressor& compressor,
                          MatchTables tables);

// Raw bytes of the members that are there and that `needed` (ascending) does not touch.
std::uint64_t dead_bytes(const ChunkHeader& header,
                         std::uint32_t raw_bytes,
                         std::span<const ChunkRange> needed);

// `content` without these members.
EncodedChunk thin(const LocatedChunk& chunk,
                  ChunkContent content,
                  std::span<const ChunkRange> needed,
                  const Keyring& keyring,
                  Compressor& compressor);

// All of a chunk that stands at this place.
std::vector<ChunkRange> present_ranges(const ChunkLocation& chunk);

}  // namespace holdfast
