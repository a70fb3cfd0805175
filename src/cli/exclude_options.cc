#include "cli/exclude_options.h"

namespace holdfast {

std::vector<Option> exclude_options(ExcludeRequest& request) {
    return {
        {"-e,--exclude", "PATTERN", "leave out what matches (gitignore's patterns; repeatable)",
         &request.patterns, {}},
        {"--exclude-file,--exclude-from", "FILE", "a file of such patterns (repeatable)",
         &request.pattern_files, {}},
        {"--exclude-if-present", "NAME", "leave out directories that hold NAME (repeatable)",
         &request.if_present, {}},
        {"--exclude-caches", "", "leave out directories with a CACHEDIR.TAG", &request.caches, {}},
        {"--exclude-nodump", "", "leave out what has the nodump attribute", &request.nodump, {}},
        {"-x,--one-file-system", "", "do not cross into other file systems",
         &request.one_file_system, {}}};
}

}  // namespace holdfast
