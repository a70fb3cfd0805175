// Listings that are asked for before anybody needs them.
#pragma once

#include <future>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "storage/at_once.h"

namespace holdfast {

// What a listing of a prefix finds, begun when it is known that it will be wanted. It tells what was there some time between
// begin() and take(). Thread-safe. Memory: the listings that nobody has taken.
class ListingsAhead {
  public:
    // Once for each prefix. `storage` outlives this; on a disk it is listed when it is taken.
    void begin(Storage& storage, const std::string& prefix);
    // The one that was begun, for who asks first; else a new one. Errors: of the storage.
    Result<std::vector<ObjectInfo>> take(Storage& storage, const std::string& prefix);

  private:
    using Listing = std::future<Result<std::vector<ObjectInfo>>>;
    std::mutex mutex_;  // guards begun_
    std::map<std::string, Listing> begun_;
};

}  // namespace holdfast
