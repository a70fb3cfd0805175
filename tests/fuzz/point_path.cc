// Input: a restore point as a command line names it.
#include "api/point_selection.h"
#include "cli/output.h"
#include "targets.h"

namespace holdfast {

void fuzz_point_path(ByteSpan input) {
    const std::string text(as_text(input));
    const PointPath parsed = parse_point_path(text);
    HF_CHECK(parsed.point.find(':') == std::string::npos);
    HF_CHECK(parsed.has_path == (text.find(':') != std::string::npos));
    HF_CHECK(!parsed.path.starts_with('/') && !parsed.path.ends_with('/'));
    if (!parsed.has_path) return;
    // As `find` prints it.
    const PointPath again = parse_point_path(parsed.point + ":/" + printable(parsed.path));
    HF_CHECK(again.point == parsed.point && again.path == parsed.path && again.has_path);
}

}  // namespace holdfast
