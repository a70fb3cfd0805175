// A run's copies: restore points of a source that another repository lacks.
#pragma once

#include <optional>
#include <stop_token>
#include <string>

#include "api/run_source.h"

namespace holdfast {

// Copies what `to` does not have of the source. Nothing: this is a dry run.
std::optional<RunStep> run_copies(const RunRequest& request,
                                  const RunningSource& source,
                                  const std::string& to,
                                  const std::stop_token& stop);

}  // namespace holdfast
