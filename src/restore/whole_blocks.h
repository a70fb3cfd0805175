// Writes around the page cache.
#pragma once

#include "base/bytes.h"
#include "base/result.h"

namespace holdfast {

// Content of less than this is written through the page cache, which gathers small writes.
inline constexpr std::uint64_t direct_file_bytes = 64u << 20;

// Writes whole blocks of a large new file with O_DIRECT: the page cache would have to be filled with
// what nobody reads, at a copy and a page fault (of the hypervisor, too) each 4 KiB, and everything
// else in it would have to go. The file's other bytes are written as always; the kernel keeps both
// coherent. Not thread-safe; of one file, one thread at a time may write.
// Memory: an aligned buffer of 1 MiB for each thread that has written.
class WholeBlocks {
  public:
    // `fd` is open for writing, of `bytes`, and outlives this. File systems that are not known to take
    // such writes well (network, copy-on-write, memory) get none.
    void begin(int fd, std::uint64_t bytes);
    // Errors: of the writes.
    Status write(std::uint64_t offset, ByteSpan content, const char* what);

  private:
    Status write_through(std::uint64_t offset, ByteSpan content, const char* what);
    Status write_around(std::uint64_t offset, ByteSpan content, const char* what);
    bool set_direct(bool direct);

    int fd_ = -1;
    bool is_wanted_ = false;
    bool is_direct_ = false;  // what the descriptor is now
};

}  // namespace holdfast
