#include "replication/alignment.h"

#include <algorithm>

namespace holdfast {

std::vector<std::optional<std::string>> align_versions(std::span<const SourceVersion> wanted,
                                                       std::span<const TargetVersion> found) {
    std::vector<std::optional<std::string>> ids(wanted.size());
    std::size_t turn = 0;  // of `wanted`
    for (const TargetVersion& one : found) {
        if (one.is_marker) {
            if (turn < wanted.size() && wanted[turn].is_marker) ids[turn++] = one.id;
            continue;
        }
        const auto meant = std::find_if(wanted.begin() + static_cast<std::ptrdiff_t>(turn), wanted.end(),
                                        [&one](const SourceVersion& version) {
                                            return !version.is_marker && version.identity() == one.mark;
                                        });
        if (meant == wanted.end()) continue;
        turn = static_cast<std::size_t>(meant - wanted.begin());
        ids[turn++] = one.id;
    }
    return ids;
}

}  // namespace holdfast
