// The configuration of this machine: which file, and what is in it. docs/reference/config.md.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/repository_access.h"
#include "base/environment.h"
#include "config/config.h"

namespace holdfast {

// The file: `asked_for`, else HOLDFAST_CONFIG, else holdfast.toml in the directory for configurations.
struct ConfigurationPlace {
    std::string file;
    bool is_default = false;  // it need not be there
};
ConfigurationPlace configuration_place(const std::optional<std::string>& asked_for);

// Reads the file and what it includes. A default file that is not there gives an empty configuration without files.
// Errors: not_found, permission_denied, refused for a file that others than its owner and root can write. What is wrong
// in the files is in the reading.
Result<ConfigReading> read_configuration(const ConfigurationPlace& place);

// The same without issues. Errors: also invalid_argument with all issues.
Result<Config> load_configuration(const std::optional<std::string>& asked_for);

// What a request for a repository means: where the configuration has a repository of this name, its URL, keys,
// credentials and limits, as far as the request does not have them. Nothing changes for any other text.
// Errors: those of load_configuration() and read_secret().
Status apply_configuration(ResolvedAccess& access);

// The environment of the process, with these credentials in place of its own. Errors: those of read_secret().
Result<Environment> environment_with(const S3KeysConfig& keys);

// For `config show`: one effective value.
struct EffectiveValue {
    std::string path;    // "source.home.path"
    std::string value;   // as in TOML; of a secret where it is
    std::string origin;  // "FILE:LINE", or "default"
};
std::vector<EffectiveValue> effective_values(const ConfigReading& reading);

// The names of sources that `names` means: sources, or policies for all that have them; none: all. Sorted, each once.
// Errors: invalid_argument for a name that there is not.
Result<std::vector<std::string>> chosen_sources(const Config& config, const std::vector<std::string>& names);

// docs/reference/holdfast.schema.json and docs/reference/config.md.
std::string configuration_schema();
std::string configuration_reference();

}  // namespace holdfast
