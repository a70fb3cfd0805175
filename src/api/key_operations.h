// Operations on keys: `key`.
#pragma once

#include <vector>

#include "api/repository_access.h"
#include "base/clock.h"

namespace holdfast {

struct KeySummary {
    std::string id;
    std::string type;
    std::string role;
    std::string label;
    TimeNs created = 0;
    bool is_revoked = false;
    std::string host;  // of a write-only key: whose restore points it may make; empty: anybody's, or not known
    std::optional<TimeNs> confirmed;  // of a recovery key: when somebody had it at last
};
Result<std::vector<KeySummary>> list_keys(const AccessRequest& access);

struct AddKeyRequest {
    AccessRequest access;
    std::optional<std::string> new_key_file;         // written; must not exist
    std::optional<std::string> new_passphrase_file;  // read
    bool is_recovery = false;
    bool is_write_only = false;
    std::string host;  // with is_write_only: whose restore points it may make; empty: anybody's
    std::string label;
};
struct AddKeyResponse {
    KeySummary key;
    std::string recovery_key;  // shown once
};
Result<AddKeyResponse> add_key(const AddKeyRequest& request);
// That somebody has the recovery key, and that it opens the repository: tries it, and keeps it in the repository, for
// `status`. `text` is wiped. Errors: wrong_key; permission_denied for a write-only key.
Result<KeySummary> confirm_recovery_key(const AccessRequest& access, std::string& text);
// The key opens the repository no more; who has kept it and a copy of its slot reads on. Errors: not_found; refused for
// the last key that can read.
Status remove_key(const AccessRequest& access, const std::string& id);
// The same, and new keys for everybody else: whatever he kept, he reads nothing that is written from now on. Errors: also
// refused for keys that cannot get the new keys, conflict.
Status revoke_key(const AccessRequest& access, const std::string& id);
// New keys for all that is written from now on, for all keys that there are. Nothing is written again.
Status rotate_keys(const AccessRequest& access);

}  // namespace holdfast
