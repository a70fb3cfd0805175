// Memory for reads and writes around the page cache.
#pragma once

#include <cstdlib>
#include <memory>

#include "base/bytes.h"
#include "base/check.h"

namespace holdfast {

// O_DIRECT wants memory, offsets and lengths in units of the device's block, which is no larger.
inline constexpr std::size_t direct_block_bytes = 4096;

// So many bytes, not initialised, at a multiple of direct_block_bytes.
class AlignedBuffer {
  public:
    // `bytes` is a multiple of direct_block_bytes.
    explicit AlignedBuffer(std::size_t bytes)
        : memory_(static_cast<std::uint8_t*>(std::aligned_alloc(direct_block_bytes, bytes))),
          bytes_(bytes) {
        HF_CHECK(memory_ != nullptr);
    }

    MutableByteSpan span() const { return {memory_.get(), bytes_}; }

  private:
    struct Free {
        void operator()(std::uint8_t* memory) const { std::free(memory); }
    };
    std::unique_ptr<std::uint8_t, Free> memory_;
    std::size_t bytes_;
};

}  // namespace holdfast
