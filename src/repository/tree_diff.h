// What differs between two trees.
#pragma once

#include "repository/tree_reader.h"

namespace holdfast {

enum class Change : std::uint8_t { added, removed, modified, metadata_only };
// The entry is the new one, or the removed one. Returns an error to stop.
using DiffVisitor = std::function<Status(Change, const std::string& path, const Entry&)>;

// Compares two directories in order of their paths. Directories that both have whole are not read.
Status diff_trees(ChunkReader& chunks, const Entry& a, const Entry& b, const DiffVisitor& visit);

}  // namespace holdfast
