// Where the fingerprints of a chunk's pages are. docs/format.md#fingerprints.
#pragma once

#include "repository/keyring.h"

namespace holdfast {

// The id of the chunk that holds the fingerprints of `chunk`: it follows from that one's, so that nothing
// has to refer to it.
ChunkId fingerprints_id(const Keyring& keyring, const ChunkId& chunk);

}  // namespace holdfast
