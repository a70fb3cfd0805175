// What of a configuration only the storages and sources that it names can tell to be wrong.
#pragma once

#include "api/configuration.h"

namespace holdfast {

// read_configuration(), and issues for locations that nothing can be opened with. Opens none, reads no secret, and goes by the
// environment of the process and what the configuration sets in clear.
Result<ConfigReading> check_configuration(const ConfigurationPlace& place);

}  // namespace holdfast
