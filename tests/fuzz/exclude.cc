// Input: lines of patterns, a NUL, a path. Rules added twice say what they say once.
#include "source/files/exclude.h"

#include "targets.h"

namespace holdfast {
namespace {

// The path as match() wants it: single slashes between components, none at the ends.
std::string relative_path(std::string_view text) {
    std::string path;
    for (const char c : text)
        if (c != '/' || (!path.empty() && path.back() != '/')) path.push_back(c);
    while (path.ends_with('/')) path.pop_back();
    return path;
}

}  // namespace

void fuzz_exclude(ByteSpan input) {
    const std::string_view text = as_text(input);
    const std::size_t end = text.find('\0');
    const std::string_view patterns = text.substr(0, end);
    const std::string path =
        end == std::string_view::npos ? "me/cache" : relative_path(text.substr(end + 1));
    ExcludeRules once("/home"), twice("/home");
    const bool added = once.add_lines(patterns).ok();
    HF_CHECK(twice.add_lines(patterns).ok() == added);
    if (added) HF_CHECK(twice.add_lines(patterns).ok());
    using EntryKind = ExcludeRules::EntryKind;
    for (const EntryKind kind : {EntryKind::directory, EntryKind::other}) {
        const ExcludeRules::Match match = once.match(path, kind);
        HF_CHECK(match == twice.match(path, kind));
        HF_CHECK(!once.empty() || match == ExcludeRules::Match::none);
    }
}

}  // namespace holdfast
