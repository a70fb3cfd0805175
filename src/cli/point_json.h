// Restore points and entries as JSON.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "api/browse_operations.h"

namespace holdfast {

nlohmann::json json_of(const PointSummary& point);
// Adds whose point it is and of when: host, name, time.
void add_identity(nlohmann::json& document, const RestorePointRecord& record);
// type, mode, owner, size, mtime.
nlohmann::json json_of(const std::string& path, const Entry& entry);
// As `ls -l` shows it.
std::string describe(const Entry& entry);

}  // namespace holdfast
