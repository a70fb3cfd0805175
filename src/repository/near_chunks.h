// Reads chunks that stand near each other with one request.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "repository/chunk_reader.h"

namespace holdfast {

struct WantedChunk {
    ChunkId id;
    ChunkRange part;  // what is needed of it
};

// Numbers of `wanted` by their places in the repository: those of one chunk follow each other. What has no place comes
// last.
std::vector<std::size_t> order_by_place(std::span<const WantedChunk> wanted, const Index& index);

// What a chunk was read from, when it was read with others: its place, and its frames as they are stored.
struct ReadFrom {
    LocatedChunk chunk;
    ByteSpan stored;
};

// Reads data chunks; those that follow each other and stand near each other with one request. `take` gets each with its
// number. `from` is null for one that was read by itself: from elsewhere, or mended.
// Memory: one span of max_span_bytes, or one chunk, and a chunk's content. Thread-safe, as chunks and index are.
inline constexpr std::uint64_t max_span_bytes = 2u << 20;
using TakeChunk = std::function<void(std::size_t number, const ReadFrom* from, Result<ChunkContent> content)>;
void read_near_chunks(ChunkReader& chunks, const Index& index, std::span<const WantedChunk> wanted, const TakeChunk& take);

// How many of `wanted`, from the first on, one thread shall read: whole chunks, of which at least so many bytes are
// wanted. On a disk: to hand a chunk of which little is wanted, as of groups of files that have mostly died, to another
// thread takes as long as to read and prove 64 KiB (30 us).
inline constexpr std::uint64_t local_task_bytes = 256u << 10;
// Far away a task is a request or two (max_span_bytes of what is stored, which often is a fifth of what it holds).
inline constexpr std::uint64_t remote_task_bytes = 8u << 20;
inline std::uint64_t task_bytes_for(const StorageTraits& traits) {
    return traits.is_remote ? remote_task_bytes : local_task_bytes;
}
// Most of the time threads wait for answers then. In flight: a span and a chunk each, at most 4 MiB, so 64 MiB. A restore of 80,000
// files with 30 ms for each request: 3.3 s with eight threads, 2.8 s with sixteen (two processors).
inline constexpr std::size_t remote_threads = 16;

}  // namespace holdfast
