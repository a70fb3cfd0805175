#include "cli/point_options.h"

namespace holdfast {

std::vector<Option> PointOptions::options() {
    return {{"--host", "HOST", "restore points of this host (default where one is meant: this host)",
             &host, {}},
            {"--source", "SOURCE", "restore points of this source: its path, which may be relative, URL or name", &source, {}},
            {"--name", "NAME", "the same, but never taken for a relative path", &name, {}},
            {"--tag", "TAG", "restore points with this tag (repeatable: with all of them)", &tags, {}},
            {"--at", "TIME", "the newest restore point that is not later", &at, {}}};
}

Result<PointFilter> PointOptions::filter() const {
    PointFilter filter;
    filter.host = host;
    filter.source = source;
    filter.name = name;
    filter.tags = tags;
    if (at) {
        HF_TRY(filter.at, parse_rfc3339(*at));
    }
    return filter;
}

}  // namespace holdfast
