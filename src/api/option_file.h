// Files that options name.
#pragma once

#include "base/bytes.h"
#include "base/result.h"

namespace holdfast {

// The whole file, which may be a pipe (`<(command)` of a shell).
// Errors: those of open(); unavailable for what cannot be read; invalid_argument above the limit.
Result<Bytes> read_option_file(const std::string& path, std::uint64_t limit_bytes);

}  // namespace holdfast
