// Where large files are cut.
#pragma once

#include "format/config.h"
#include "repository/chunker.h"

namespace holdfast {

// One key, three sizes. docs/format.md#content (how content becomes runs).
struct Chunkers {
    Chunkers(const ChunkSizes& sizes, const SecretKey& key);

    Chunker contents;
    // A file of pages stores what changes page by page, so its chunks need not be small for that:
    // of twice the size they compress better. The largest is the usual, as buffers are made for it.
    Chunker pages;
    // Within a chunk, so that a change in it does not store all of it again.
    Chunker members;
};

}  // namespace holdfast
