// Memory that is written before it is read.
#pragma once

#include <memory>
#include <utility>

#include "base/bytes.h"

namespace holdfast {

// So many bytes, not initialised: a Bytes of that size would be zeroed first, which takes a tenth of the time that it takes to
// fill it with what a chunk decompresses to. Moved, not copied; empty once it has been moved from.
class RawBytes {
  public:
    RawBytes() = default;
    explicit RawBytes(std::size_t bytes)
        : memory_(std::make_unique_for_overwrite<std::uint8_t[]>(bytes)), bytes_(bytes) {}
    RawBytes(RawBytes&& other) noexcept
        : memory_(std::move(other.memory_)), bytes_(std::exchange(other.bytes_, 0)) {}
    RawBytes& operator=(RawBytes&& other) noexcept {
        memory_ = std::move(other.memory_);
        bytes_ = std::exchange(other.bytes_, 0);
        return *this;
    }

    std::size_t size() const { return bytes_; }
    bool empty() const { return bytes_ == 0; }
    std::uint8_t* data() { return memory_.get(); }
    const std::uint8_t* data() const { return memory_.get(); }
    std::uint8_t* begin() { return data(); }
    std::uint8_t* end() { return data() + bytes_; }
    const std::uint8_t* begin() const { return data(); }
    const std::uint8_t* end() const { return data() + bytes_; }

  private:
    std::unique_ptr<std::uint8_t[]> memory_;
    std::size_t bytes_ = 0;
};

}  // namespace holdfast
