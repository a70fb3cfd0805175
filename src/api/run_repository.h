// A run, repository by repository: what follows the backups.
#pragma once

#include <map>
#include <stop_token>
#include <string>
#include <vector>

#include "api/run_source.h"

namespace holdfast {

// Synthesizes, prunes and copies what belongs to the sources that were backed up, and reads a part of the data. Each
// step is added to the sources that it concerns.
void run_repositories(const RunRequest& request, std::vector<RunningSource>& sources, const std::stop_token& stop);

}  // namespace holdfast
