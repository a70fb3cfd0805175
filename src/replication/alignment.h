// Which versions of a key the target has already.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "replication/version.h"

namespace holdfast {

// For each of `wanted` (versions of one key that are not known to be applied, oldest first) the id of the one of `found`
// (the key's versions at the target that are not known to be something else, oldest first) that is a replica of it.
// Objects are told by their marks. A mark of deletion has none: it is that of the version whose turn it is, as all come
// in order. What fits nowhere is left out.
std::vector<std::optional<std::string>> align_versions(std::span<const SourceVersion> wanted,
                                                       std::span<const TargetVersion> found);

}  // namespace holdfast
