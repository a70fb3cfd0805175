// What a manifest cannot hold, or nobody could read again, must not get into one: sources tell what others have made.
#pragma once

#include <vector>

#include "source/source.h"

namespace holdfast {

// So many directories one in another: more than a path of 4,096 bytes can name. Who reads a tree goes down by recursion.
inline constexpr std::size_t max_directory_depth = 2048;

// Follows one stream. Not thread-safe.
class EventCheck {
  public:
    enum class Verdict : std::uint8_t { take, too_deep, below_what_is_too_deep };
    // Errors: corrupt for names that are none, or do not ascend, and for more leaves than enters.
    Result<Verdict> look_at(const SourceEvent& event);

  private:
    std::vector<std::string> last_names_;  // of each open directory
    std::size_t passed_over_ = 0;          // open directories that are too deep
};

// Whether a manifest can hold them. Errors: unsupported.
Status check_xattrs(const std::vector<ExtendedAttribute>& xattrs);

}  // namespace holdfast
