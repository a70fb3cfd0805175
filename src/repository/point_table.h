// A restore point's object as a container of chunks.
#pragma once

#include "repository/repository.h"

namespace holdfast {

// What a point's own object says of its chunks, as a fragment would.
IndexFragmentRecord fragment_of_point(const PointName& name,
                                      const EnvelopeHeader& header,
                                      const ObjectTable& table,
                                      std::uint64_t object_bytes);

// One damaged point, or one of a newer format, must not shut out the others; `check` names it. One
// that is gone was removed after it was listed.
bool is_one_points_matter(const Error& error);

}  // namespace holdfast
