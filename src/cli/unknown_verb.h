// What is said of a verb that there is not.
#pragma once

#include "cli/command.h"

namespace holdfast {

// Names what Holdfast has instead: of verbs of other programs by heart, else the verb that is closest.
Error unknown_verb(const std::string& verb, const std::vector<Command>& commands);

}  // namespace holdfast
