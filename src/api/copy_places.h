// Where a configured source and its repositories are, and what would be lost together.
#pragma once

#include <string>
#include <vector>

#include "config/config.h"
#include "policy/protection.h"
#include "s3/location.h"

namespace holdfast {

// The name of the identity that a backup of `source` has, without a name of its own.
std::string identity_name_of(const std::string& source);

// Host and name of the identity. A path that is not there any more may have been behind a link: what the last run found,
// if anything, counts then.
using Identity = std::pair<std::string, std::string>;
Identity identity_of(const SourceConfig& source, const Identity& of_last_run);

// The source as `protection_of` takes it, with all repositories where it is to have copies, and those of the configuration
// that have some. `replica_targets`: buckets, or what is below their prefixes, that follow others.
ProtectedSource protected_source(const Config& config,
                                 const SourceConfig& source,
                                 const Identity& identity,
                                 const std::vector<S3Location>& replica_targets,
                                 const std::map<std::string, RepositoryFacts>& facts);

}  // namespace holdfast
