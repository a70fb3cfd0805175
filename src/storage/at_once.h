// Requests that do not depend on each other.
#pragma once

#include <algorithm>
#include <future>
#include <span>
#include <vector>

#include "storage/storage.h"

namespace holdfast {

// Starts `request`: in a thread of its own where each takes milliseconds, else when its answer is asked for, and not at all when
// nobody does. The future waits for it when it goes; what `request` refers to outlives that.
template <typename Request>
[[nodiscard]] auto ask_at_once(const Storage& storage, Request request) {
    return std::async(storage.traits().is_remote ? std::launch::async : std::launch::deferred, std::move(request));
}

// Asks for each of `items` with ask(item), which `at_once` threads do at once, and hands on what comes back with
// take(item, answer), in their order and in this thread. Its memory is that of so many answers. Errors: the first of take(),
// after which nothing more is asked for.
template <typename Item, typename Ask, typename Take>
Status ask_for_each(const Storage& storage, std::span<const Item> items, const Ask& ask, const Take& take,
                    std::size_t at_once = 16) {
    while (!items.empty()) {
        const auto part = items.first(std::min(at_once, items.size()));
        items = items.subspan(part.size());
        std::vector<decltype(ask_at_once(storage, [&] { return ask(part.front()); }))> answers;
        for (const Item& item : part) answers.push_back(ask_at_once(storage, [&ask, &item] { return ask(item); }));
        for (std::size_t i = 0; i < part.size(); ++i) HF_TRY_STATUS(take(part[i], answers[i].get()));
    }
    return {};
}

}  // namespace holdfast
