// Where a configured source and its repositories are, and what would be lost together.
#pragma once

#include <string>
#include <vector>

#include "config/config.h"
#include "policy/protection.h"

namespace holdfast {

// The name of the identity that a backup of `source` has, without a name of its own.
std::string identity_name_of(const std::string& source);

// The source as `protection_of` takes it, with all repositories where it is to have copies, and those of the configuration
// that have some.
ProtectedSource protected_source(const Config& config,
                                 const SourceConfig& source,
                                 const std::map<std::string, RepositoryFacts>& facts);

// Host and name of the identity.
std::pair<std::string, std::string> identity_of(const SourceConfig& source);

}  // namespace holdfast
