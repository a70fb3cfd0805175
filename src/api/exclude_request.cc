#include "api/exclude_request.h"

#include "api/option_file.h"
#include "api/own_places.h"
#include "source/files/files_source.h"

namespace holdfast {
namespace {

constexpr std::uint64_t max_pattern_file_bytes = 64u << 20;

}  // namespace

Result<FilesOptions> files_options(const ExcludeRequest& request, const std::string& root) {
    FilesOptions options;
    options.rules = ExcludeRules(root);
    for (const std::string& file : request.pattern_files) {
        HF_TRY(const Bytes text, read_option_file(file, max_pattern_file_bytes));
        auto added = options.rules.add_lines(as_text(text));
        if (!added.ok()) return std::move(added).error().with_context("reading " + file);
    }
    for (const std::string& pattern : request.patterns) HF_TRY_STATUS(options.rules.add(pattern));
    options.one_file_system = request.one_file_system;
    options.exclude_caches = request.caches;
    options.exclude_nodump = request.nodump;
    options.exclude_if_present = request.if_present;
    return options;
}

void leave_out_own_places(const ResolvedAccess& access, FilesOptions& options) {
    for (const std::string& directory : own_directories(access))
        if (const auto identity = identify(directory, LastLink::follow))
            options.never_enter.insert(*identity);
}

}  // namespace holdfast
