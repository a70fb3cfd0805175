// Contents of files, read from a repository to be sent elsewhere in one stream each.
#pragma once

#include <functional>

#include "format/entry.h"
#include "repository/near_chunks.h"

namespace holdfast {

// A run of data of one of several files.
struct ContentPiece {
    Run run;
    std::size_t file = 0;
    std::uint64_t offset = 0;  // in the file
};

// Reads pieces in this order; those of one chunk that follow each other read it once. `take` gets each one's bytes.
// Memory: as read_near_chunks. Thread-safe.
using TakePiece = std::function<void(const ContentPiece& piece, Result<ByteSpan> data)>;
void read_pieces(ChunkReader& chunks, const Index& index, std::span<const ContentPiece> pieces, const TakePiece& take);

// The content of one file from its start to its end. Holes are zeros. Memory: as read_near_chunks. Thread-safe.
Status stream_content(ChunkReader& chunks,
                      const Index& index,
                      const Entry& file,
                      const std::function<Status(ByteSpan)>& take);

}  // namespace holdfast
