#include "storage/listings_ahead.h"

namespace holdfast {

void ListingsAhead::begin(Storage& storage, const std::string& prefix) {
    Listing listing = ask_at_once(storage, [&storage, prefix] { return list_objects(storage, prefix); });
    const std::lock_guard lock(mutex_);
    begun_.emplace(prefix, std::move(listing));
}

Result<std::vector<ObjectInfo>> ListingsAhead::take(Storage& storage, const std::string& prefix) {
    Listing listing;
    {
        const std::lock_guard lock(mutex_);
        if (auto begun = begun_.extract(prefix)) listing = std::move(begun.mapped());
    }
    return listing.valid() ? listing.get() : list_objects(storage, prefix);
}

}  // namespace holdfast
