#include "base/edit_distance.h"

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

namespace holdfast {
namespace {

constexpr std::size_t max_distance = 2;

}  // namespace

std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 0; i < a.size(); ++i) {
        std::size_t diagonal = std::exchange(row[0], i + 1);
        for (std::size_t j = 0; j < b.size(); ++j) {
            const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
            diagonal = row[j + 1];
            row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
        }
    }
    return row.back();
}

std::string closest_word(std::string_view typed, std::span<const std::string> words) {
    // Nobody types a hundred letters by mistake.
    if (typed.size() > 100) return {};
    std::string closest;
    std::size_t least = std::min(max_distance + 1, typed.size());
    for (const std::string& word : words) {
        const std::size_t distance = edit_distance(typed, word);
        if (distance >= least) continue;
        least = distance;
        closest = word;
    }
    return closest;
}

}  // namespace holdfast
