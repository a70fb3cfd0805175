// What a Swift service answers to a listing of a container, page by page.
#pragma once

#include "storage/storage.h"

namespace holdfast {

// A page with format=json: whole keys, in order, all after `marker` and below `prefix`; whatever is not so is an error,
// as what is not listed may be deleted. Errors: corrupt.
Result<std::vector<ObjectInfo>> parse_swift_listing(std::string_view text,
                                                    const std::string& prefix,
                                                    const std::string& marker);

}  // namespace holdfast
