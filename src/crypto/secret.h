// A 256-bit secret that is wiped from memory when it is no longer needed.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "base/bytes.h"

namespace holdfast {

void wipe(MutableByteSpan data);
void wipe(std::string& text);

class SecretKey {
  public:
    static constexpr std::size_t size = 32;

    SecretKey() = default;
    explicit SecretKey(const std::array<std::uint8_t, size>& bytes) : bytes_(bytes) {}
    SecretKey(const SecretKey&) = default;
    SecretKey& operator=(const SecretKey&) = default;
    ~SecretKey() { wipe(bytes_); }

    const std::array<std::uint8_t, size>& bytes() const { return bytes_; }
    MutableByteSpan writable() { return bytes_; }
    // In constant time.
    bool equals(const SecretKey& other) const;

  private:
    std::array<std::uint8_t, size> bytes_{};
};

}  // namespace holdfast
