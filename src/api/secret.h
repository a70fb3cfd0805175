// Secrets, from where a configuration says that they are.
#pragma once

#include <string>

#include "base/result.h"

namespace holdfast {

struct SecretReference;

// The first line of a file, of what a command prints, of a variable or of a credential of systemd. Not empty.
// Errors: wrong_key; they name the place, and never hold the secret.
Result<std::string> read_secret(const SecretReference& reference);
// The first line that a command prints, which the user's shell runs. `what` begins the errors.
Result<std::string> read_secret_command(const std::string& command, const std::string& what);
// Where a credential that systemd hands to a service is. Errors: wrong_key when this is no such service.
Result<std::string> credential_path(const std::string& name);
// "the file /etc/secret": what messages and `config show` call it.
std::string describe_secret(const SecretReference& reference);

}  // namespace holdfast
