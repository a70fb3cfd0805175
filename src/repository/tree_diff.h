// What differs between two trees.
#pragma once

#include "repository/tree_reader.h"

namespace holdfast {

enum class Change : std::uint8_t { added, removed, modified, metadata_only };
// The entry is the new one, or the removed one. Returns an error to stop.
using DiffVisitor = std::function<Status(Change, const std::string& path, const Entry&)>;

// What a user calls the same: times of reading and numbers of inodes do not count.
bool same_metadata(Metadata a, Metadata b);

// What a comparison calls its root: "." if it is a directory, else its name. Paths of what is below
// do not begin with it.
std::string root_path(const Entry& root);

// Compares two entries and what is below them, in order of their paths; the roots come first.
// Directories that both have whole are not read.
Status diff_trees(ChunkReader& chunks, const Entry& a, const Entry& b, const DiffVisitor& visit);

}  // namespace holdfast
