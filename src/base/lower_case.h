// Letters without their case.
#pragma once

#include <string>

namespace holdfast {

// Of ASCII alone; whatever else is in it stays.
inline std::string in_lower_case(std::string text) {
    for (char& c : text)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return text;
}

}  // namespace holdfast
