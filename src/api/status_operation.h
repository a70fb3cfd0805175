// The operation `status`: whether the objectives of each source hold now. docs/explanation/3-2-1.md.
#pragma once

#include <stop_token>

#include "api/measure.h"
#include "catalog/catalog.h"
#include "policy/protection.h"
#include "policy/source_state.h"

namespace holdfast {

struct StatusRequest {
    AccessRequest access;            // only configuration, cache and stop are of use
    std::vector<std::string> names;  // sources or policies; none: all sources
    bool is_cached = false;          // asks no repository: what was found at the last time
    std::optional<TimeNs> now;       // what ages are counted to; unset: now
};

struct SourceStatus {
    SourceProtection protection;
    std::string policy;  // empty: none
    // Of the last run on this machine.
    SourceState last_run = SourceState::unknown;
    std::optional<TimeNs> ran;
    std::string error;
};

struct StatusResponse {
    TimeNs now = 0;
    std::vector<SourceStatus> sources;
    std::map<std::string, RepositoryFacts> repositories;
    Verdict verdict = Verdict::held;
    std::vector<std::string> warnings;  // what could not be kept
};
// Measures the repositories of the sources and keeps what it found in the catalogue, and in the metrics file if there is
// one. What was measured longer than a day ago is unknown. Errors: of the configuration; invalid_argument for a name that
// there is not, or a configuration without sources.
Result<StatusResponse> status(const StatusRequest& request);

// Keeps what ran in the catalogue.
Status keep_steps(const std::vector<RanStep>& steps);
// What ran, the newest first.
Result<std::vector<RanStep>> recent_steps(std::size_t most);

// The response in the text format of Prometheus (version 0.0.4). docs/reference/metrics.md.
std::string metrics_text(const StatusResponse& response);

}  // namespace holdfast
