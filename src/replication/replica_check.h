// Whether a target has what its source has.
#pragma once

#include <functional>
#include <stop_token>

#include "replication/replica_state.h"
#include "s3/bucket.h"

namespace holdfast {

struct ReplicaDifference {
    std::string key;
    std::string version;  // of the source; empty where it is about one of the target
    std::string what;     // for people
};

struct ReplicaCheckReport {
    std::uint64_t versions = 0;  // that the source has
    std::uint64_t equal = 0;     // of them, that the target has, in this order
    std::uint64_t kept = 0;      // that the target has, and the source no longer
    std::uint64_t other_etags = 0;  // equal ones that are of other parts: size and order were compared
    std::uint64_t difference_count = 0;
    std::vector<ReplicaDifference> differences;  // the first 1,000
};

// Lists both sides, and compares what they have key by key: which versions and marks of deletion, in which order, with
// which sizes and ETags, and locks where the source has some (two requests for each object then). The state says which
// version of the target is which of the source. A version that came while it ran is a difference, too. Memory: the
// versions of one key, and a page of each listing. Errors: of the services and of the state; cancelled.
Result<ReplicaCheckReport> check_replica(S3Client& source,
                                         S3Client& target,
                                         ReplicaState& state,
                                         const std::stop_token& stop);

}  // namespace holdfast
