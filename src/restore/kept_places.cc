#include "restore/kept_places.h"

#include <filesystem>
#include <initializer_list>
#include <system_error>

namespace holdfast {

void KeptPlaces::add_above(const std::string& absolute) {
    for (std::size_t slash = absolute.find('/'); slash != std::string::npos;
         slash = absolute.find('/', slash + 1)) {
        const std::string part = absolute.substr(0, slash + (slash == 0 ? 1 : 0));
        for (const LastLink mode : {LastLink::keep, LastLink::follow})
            if (const auto directory = identify(part, mode)) above_.insert(*directory);
    }
}

void KeptPlaces::add(const std::string& path) {
    for (const LastLink mode : {LastLink::keep, LastLink::follow})
        if (const auto file = identify(path, mode)) kept_.insert(*file);
    // Both by the name that it was given and by its real one: a link on the way is needed, too.
    std::error_code error;
    const auto given = std::filesystem::absolute(path, error);
    if (!error) add_above(given.string());
    const auto real = std::filesystem::canonical(path, error);
    if (!error) add_above(real.string());
}

KeptPlaces::Standing KeptPlaces::standing(const FileIdentity& file) const {
    if (kept_.contains(file)) return Standing::kept;
    return above_.contains(file) ? Standing::above : Standing::free;
}

}  // namespace holdfast
