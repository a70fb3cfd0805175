// Input: the name of an object in a storage.
#include "repository/repository.h"
#include "targets.h"

namespace holdfast {

void fuzz_point_name(ByteSpan input) {
    const auto name = parse_point_name(as_text(input));
    if (!name) return;
    const auto again = parse_point_name(point_name(*name));
    HF_CHECK(again && again->id == name->id && again->source == name->source &&
             again->inverted_time == name->inverted_time);
}

}  // namespace holdfast
