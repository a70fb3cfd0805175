// How far two words are apart, for "did you mean".
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace holdfast {

// Levenshtein's: letters to insert, remove or replace.
std::size_t edit_distance(std::string_view a, std::string_view b);

// The word that a user may have meant: at most two typing errors away, and less than all of what was typed.
// Empty: none.
std::string closest_word(std::string_view typed, std::span<const std::string> words);

}  // namespace holdfast
