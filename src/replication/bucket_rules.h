// What two buckets have to be so that one can be a replica of the other.
#pragma once

#include "s3/bucket.h"

namespace holdfast {

struct BucketRules {
    // A bucket that keeps no versions: refused, or made to keep them.
    enum class Versions : std::uint8_t { needed, switched_on } versions = Versions::needed;
    // A target that is not there: an error, or made, with what the source has (versions, object lock).
    enum class Target : std::uint8_t { needed, made } target = Target::needed;
};

// Errors: invalid_argument when one of them is the other or in it; refused for a bucket without versions, and for a target
// without object lock where the source has it; those of the services.
Status prepare_buckets(S3Client& source, S3Client& target, const BucketRules& rules);

}  // namespace holdfast
