// What this program is.
#pragma once

#include <string>
#include <vector>

namespace holdfast {

const char* version_text();
// Capabilities of this build, for `version --features`.
std::vector<std::string> features();

}  // namespace holdfast
