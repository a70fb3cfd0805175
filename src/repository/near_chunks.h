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

// One of `wanted`, by its place in the repository.
struct PlacedChunk {
    std::size_t number = 0;
    bool begins_read = true;  // it is not read together with the one before
};
// All of `wanted` by their places: those of one chunk follow each other. What has no place comes last.
std::vector<PlacedChunk> order_by_place(std::span<const WantedChunk> wanted, const Index& index);

// What a chunk was read from, when it was read with others: its place, and its frames as they are stored.
struct ReadFrom {
    LocatedChunk chunk;
    ByteSpan stored;
};

// Reads data chunks; those that follow each other and stand near each other with one request. `take` gets each with its
// number. `from` is null for one that was read by itself: from elsewhere, or mended.
// Memory: one span of max_span_bytes, or one chunk, and a chunk's content. Thread-safe, as chunks and index are.
// The larger, the fewer requests; a pack has 2 to 16 MiB. 80,000 files: 241 requests of up to 2 MiB, 1.77 s; 173 of up to 4, 1.71 s.
inline constexpr std::uint64_t max_span_bytes = 4u << 20;
// What is read between two chunks and not wanted: at 100 MB/s less than a request of 1 ms takes.
inline constexpr std::uint64_t max_gap_bytes = 64u << 10;
using TakeChunk = std::function<void(std::size_t number, const ReadFrom* from, Result<ChunkContent> content)>;
void read_near_chunks(ChunkReader& chunks, const Index& index, std::span<const WantedChunk> wanted, const TakeChunk& take);

// How many chunks, from the first on, one thread shall read.
struct TaskRule {
    bool is_one_read = false;      // what is read with one request, be it little
    std::uint64_t wanted_bytes = 0;  // else whole chunks until so many bytes of them are wanted
    // Whether the next chunk is another task's, when this one has chunks of which `wanted` bytes are wanted.
    bool ends_before(bool begins_read, std::uint64_t wanted) const {
        return is_one_read ? begins_read : wanted >= wanted_bytes;
    }
};
// On a disk: to hand a chunk of which little is wanted, as of groups of files that have mostly died, to another thread takes
// as long as to read and prove 64 KiB (30 us). Far away a request takes as long as a MiB does, and one thread would wait for
// one after the other: the last one of a restore of 80,000 files did so for 0.6 s, when its small reads went together.
inline TaskRule task_rule_for(const StorageTraits& traits) {
    return traits.is_remote ? TaskRule{true, 0} : TaskRule{false, 256u << 10};
}
// Most of the time threads wait for answers then. In flight: a span and a chunk each, at most 6 MiB, so 96 MiB. A restore of 80,000
// files with 30 ms for each request: 3.3 s with eight threads, 2.8 s with sixteen (two processors).
inline constexpr std::size_t remote_threads = 16;

}  // namespace holdfast
