// A live tree against a restore point.
#pragma once

#include "repository/tree_diff.h"
#include "source/source.h"

namespace holdfast {

// Compares by metadata, as an incremental backup would; contents are not read. What cannot be read
// of the source is passed over. Paths and order are those of diff_trees().
Status diff_live(ChunkReader& chunks, const Entry& root, Source& source, const DiffVisitor& visit);

}  // namespace holdfast
