#include "repository/fragment_merger.h"

#include <utility>

namespace holdfast {

std::uint32_t FragmentMerger::number_of(const Container& container) {
    const auto [it, is_new] = numbers_.try_emplace(
        container.header.object, static_cast<std::uint32_t>(merged_.containers.size()));
    if (is_new) merged_.containers.push_back(container);
    return it->second;
}

void FragmentMerger::add(const FlatFragment& from) {
    constexpr std::uint32_t unnumbered = UINT32_MAX;
    std::vector<std::uint32_t> numbers(from.containers().size(), unnumbered);
    for (std::size_t i = 0; i < from.chunk_count(); ++i) {
        const std::uint32_t number = from.container_of(i);
        if (number >= numbers.size()) continue;  // a torn cache
        const Container& container = from.containers()[number];
        if (!keeps_(container.header.object)) continue;
        if (numbers[number] == unnumbered) numbers[number] = number_of(container);
        merged_.chunks.push_back(from.location(i));
        merged_.chunks.back().container = numbers[number];
    }
    for (const FoldedPoint& point : from.record().points)
        if (keeps_point_(point.id)) merged_.points.push_back(point);
}

IndexFragmentRecord FragmentMerger::take() {
    sort_chunks(merged_.chunks);
    numbers_.clear();
    return std::exchange(merged_, {});
}

}  // namespace holdfast
