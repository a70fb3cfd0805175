// Requests that do not depend on each other.
#pragma once

#include <future>

#include "storage/storage.h"

namespace holdfast {

// Starts `request`: in a thread of its own where each takes milliseconds, else when its answer is asked for, and not at all when
// nobody does. The future waits for it when it goes; what `request` refers to outlives that.
template <typename Request>
[[nodiscard]] auto ask_at_once(const Storage& storage, Request request) {
    return std::async(storage.traits().is_remote ? std::launch::async : std::launch::deferred, std::move(request));
}

}  // namespace holdfast
