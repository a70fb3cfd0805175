// How many descriptors this process may have open.
#pragma once

#include <cstddef>

namespace holdfast {

// Raises the soft limit to `wanted` where the hard one allows it. Returns what it is then. Thread-safe.
std::size_t raise_descriptor_limit(std::size_t wanted);

// Makes room for `count` of them, or for as many as the limit allows, in the kernel's table of this process. The kernel doubles
// the table when it is full, and then, where threads share it, has all who open a file wait until no processor can be reading
// the old one: 5 to 20 ms each time. So this is for the first thread, before there are others. 8 bytes of memory each.
void reserve_descriptors(std::size_t count);

}  // namespace holdfast
