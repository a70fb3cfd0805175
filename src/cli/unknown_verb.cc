#include "cli/unknown_verb.h"

#include <algorithm>
#include <numeric>

namespace holdfast {
namespace {

struct Known {
    const char* verb;
    const char* instead;
};
constexpr Known known_verbs[] = {
    {"snapshots", "`list` lists restore points"},
    {"forget", "`prune` removes restore points by rules, `delete` single ones"},
    {"unlock", "there is nothing to unlock: no verb locks another out"},
    {"help", "see `holdfast --help` and `holdfast VERB --help`"},
    {"mount", "it is not there yet: `ls`, `find`, `cat` and `restore` read restore points"}};

// Two typing errors are forgiven.
constexpr std::size_t max_distance = 2;

// Levenshtein's: letters to insert, remove or replace.
std::size_t edit_distance(const std::string& a, const std::string& b) {
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 0; i < a.size(); ++i) {
        std::size_t diagonal = std::exchange(row[0], i + 1);
        for (std::size_t j = 0; j < b.size(); ++j) {
            const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
            diagonal = row[j + 1];
            row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
        }
    }
    return row.back();
}

}  // namespace

Error unknown_verb(const std::string& verb, const std::vector<Command>& commands) {
    std::string text = "unknown verb '" + verb + "'";
    for (const Known& known : known_verbs)
        if (verb == known.verb) return {ErrorCode::invalid_argument, text + ": " + known.instead};
    const Command* closest = nullptr;
    std::size_t least = std::min(max_distance + 1, verb.size());
    for (const Command& command : commands) {
        const std::size_t distance = edit_distance(verb, command.name);
        if (distance >= least) continue;
        least = distance;
        closest = &command;
    }
    if (closest != nullptr) text += ": did you mean `" + closest->name + "`?";
    else text += ": see `holdfast --help`";
    return {ErrorCode::invalid_argument, text};
}

}  // namespace holdfast
