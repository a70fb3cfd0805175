// What was found of a repository, kept in it: everybody who can read it knows. docs/format.md#attestations.
#pragma once

#include <vector>

#include "format/attestation.h"
#include "repository/repository.h"

namespace holdfast {

// Stores it, and removes what the same host has attested of the same thing before, unless that found something that was
// not looked at again. Errors: permission_denied for a
// write-only client, which nobody would believe; of the storage.
Status attest(Repository& repository, const AttestationRecord& record);

// All that a reader has attested, newest first. What is damaged, of a kind to come, or a write-only client's says nothing.
Result<std::vector<AttestationRecord>> read_attestations(Repository& repository);

}  // namespace holdfast
