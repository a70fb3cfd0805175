// Search among numbers that are as good as random, as the first bytes of hashes are.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace holdfast {

// The first eight bytes of an id, as a number in the order of ids.
inline std::uint64_t first_bytes_of(const std::uint8_t* id) {
    std::uint64_t key = 0;
    std::memcpy(&key, id, sizeof key);
    return __builtin_bswap64(key);
}

// The first of `count` ascending numbers that is not below `wanted`; `count` when there is none. Three guesses
// by the density that uniform numbers have come within a few places (the square root of the distance each),
// from there the steps double, then the window is halved: logarithmic whatever the numbers are.
template <typename KeyAt>
std::size_t first_not_below(std::uint64_t wanted, std::size_t count, const KeyAt& key_at) {
    if (count == 0) return 0;
    const double density = static_cast<double>(count) / 18446744073709551616.0;
    const double last = static_cast<double>(count - 1);
    double guess = std::min(static_cast<double>(wanted) * density, last);
    for (int i = 0; i < 2; ++i) {
        const std::uint64_t found = key_at(static_cast<std::size_t>(guess));
        const double distance = wanted >= found ? static_cast<double>(wanted - found)
                                                : -static_cast<double>(found - wanted);
        guess = std::clamp(guess + distance * density, 0.0, last);
    }
    // What is before `low` is below, what is from `high` on is not.
    std::size_t low = 0, high = count, step = 4;
    const auto middle = static_cast<std::size_t>(guess);
    if (key_at(middle) < wanted) {
        low = middle + 1;
        while (high - low > step) {
            if (key_at(low + step) >= wanted) {
                high = low + step;
                break;
            }
            low += step + 1;
            step *= 2;
        }
    } else {
        high = middle;
        while (high - low > step) {
            if (key_at(high - step - 1) < wanted) {
                low = high - step;
                break;
            }
            high -= step + 1;
            step *= 2;
        }
    }
    while (low < high) {
        const std::size_t half = low + (high - low) / 2;
        if (key_at(half) < wanted) low = half + 1;
        else high = half;
    }
    return low;
}

}  // namespace holdfast
