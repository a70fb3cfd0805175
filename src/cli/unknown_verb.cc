#include "cli/unknown_verb.h"

#include "base/edit_distance.h"

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

}  // namespace

Error unknown_verb(const std::string& verb, const std::vector<Command>& commands) {
    std::string text = "unknown verb '" + verb + "'";
    for (const Known& known : known_verbs)
        if (verb == known.verb) return {ErrorCode::invalid_argument, text + ": " + known.instead};
    std::vector<std::string> names;
    for (const Command& command : commands) names.push_back(command.name);
    const std::string closest = closest_word(verb, names);
    if (!closest.empty()) text += ": did you mean `" + closest + "`?";
    else text += ": see `holdfast --help`";
    return {ErrorCode::invalid_argument, text};
}

}  // namespace holdfast
