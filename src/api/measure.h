// Asks repositories what is in them.
#pragma once

#include <map>
#include <set>
#include <stop_token>

#include "api/repository_access.h"
#include "catalog/facts.h"
#include "config/config.h"

namespace holdfast {

// Clocks differ by so much at most: what is later than that is of a time that is yet to come.
inline constexpr TimeNs clock_tolerance = TimeNs{3600} * ns_per_second;

struct MeasureRequest {
    AccessRequest access;  // only configuration, cache and stop are of use
    // Host and name: whose newest points the storage is asked for locks of.
    std::set<std::pair<std::string, std::string>> identities;
    // What is tried again is given up after so long: a repository that is away must not keep the others waiting.
    TimeNs patience = 20 * ns_per_second;
};

// The facts of all repositories that are named, at most four asked at the same time. Costs what opening and listing cost,
// listings of containers and attestations, and for a locked repository a request or two for each identity. What is of a time
// that is yet to come is not believed. Never fails: why one could not be
// measured is in its facts.
std::map<std::string, RepositoryFacts> measure(const MeasureRequest& request, const std::vector<std::string>& repositories);

}  // namespace holdfast
