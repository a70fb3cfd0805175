// Operations on restore points and keys: `delete`, `undelete`, `hold`, `release`, `key`.
#pragma once

#include "api/browse_operations.h"

namespace holdfast {

enum class PointAction : std::uint8_t { remove, undelete, hold, release };

struct PointsRequest {
    AccessRequest access;
    PointFilter filter;
    std::vector<std::string> points;
    PointAction action = PointAction::hold;
    std::string reason;
};
// All or, when one of them cannot be found or is held, none. Returns the points.
// Errors: refused for a held point.
Result<std::vector<PointSummary>> change_points(const PointsRequest& request);

struct KeySummary {
    std::string id;
    std::string type;
    std::string role;
    std::string label;
    TimeNs created = 0;
};
Result<std::vector<KeySummary>> list_keys(const AccessRequest& access);

struct AddKeyRequest {
    AccessRequest access;
    std::optional<std::string> new_key_file;         // written; must not exist
    std::optional<std::string> new_passphrase_file;  // read
    bool is_recovery = false;
    bool is_write_only = false;
    std::string label;
};
struct AddKeyResponse {
    KeySummary key;
    std::string recovery_key;  // shown once
};
Result<AddKeyResponse> add_key(const AddKeyRequest& request);
// Errors: not_found; refused for the last key that can read.
Status remove_key(const AccessRequest& access, const std::string& id);

}  // namespace holdfast
