// Asks repositories what is in them.
#pragma once

#include <map>
#include <stop_token>

#include "api/repository_access.h"
#include "catalog/facts.h"
#include "config/config.h"

namespace holdfast {

struct MeasureRequest {
    AccessRequest access;  // only configuration, cache and stop are of use
    // What is tried again is given up after so long: a repository that is away must not keep the others waiting.
    TimeNs patience = 20 * ns_per_second;
};

// The facts of all repositories that are named, at most four asked at the same time. Costs what opening and listing cost,
// two listings more, and for a locked repository a request for each identity. Never fails: why one could not be
// measured is in its facts.
std::map<std::string, RepositoryFacts> measure(const MeasureRequest& request, const std::vector<std::string>& repositories);

}  // namespace holdfast
