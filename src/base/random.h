// Randomness is a parameter, so that tests can replay it.
#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"

namespace holdfast {

// Thread-safe.
class Random {
  public:
    virtual ~Random() = default;
    virtual void fill(MutableByteSpan out) = 0;

    template <std::size_t N>
    std::array<std::uint8_t, N> array() {
        std::array<std::uint8_t, N> result;
        fill(result);
        return result;
    }
};

// The kernel's generator (getrandom); lives as long as the program.
Random& system_random();

}  // namespace holdfast
