// How many descriptors this process may have open.
#pragma once

#include <cstddef>

namespace holdfast {

// Raises the soft limit to `wanted` where the hard one allows it. Returns what it is then. Thread-safe.
std::size_t raise_descriptor_limit(std::size_t wanted);

}  // namespace holdfast
