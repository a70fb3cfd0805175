// Made-up bytes, the same in every run.
#pragma once

#include "base/bytes.h"

namespace holdfast {

// SplitMix64 (Steele, Lea, Flood, 2014): the golden cuts of chunker_test.cc depend on it.
class Generator {
  public:
    explicit Generator(std::uint64_t seed) : state_(seed) {}
    std::uint64_t next() {
        std::uint64_t z = state_ += 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
    std::uint8_t byte() { return static_cast<std::uint8_t>(next() >> 56); }
    void fill(MutableByteSpan out) {
        for (auto& value : out) value = byte();
    }
    template <typename T>
    T id() {
        T result;
        fill(result.bytes);
        return result;
    }

  private:
    std::uint64_t state_;
};

}  // namespace holdfast
