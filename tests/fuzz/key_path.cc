// Input: a key of a bucket; and the same as a path of names.
#include "s3/key_path.h"

#include <algorithm>

#include "format/entry.h"
#include "targets.h"

namespace holdfast {
namespace {

std::string key_of(const std::vector<std::string>& names, KeyPathKind kind) {
    KeyDirectory directory;
    for (std::size_t i = 0; i + 1 < names.size(); ++i) directory = directory_below(directory, names[i]);
    if (kind != KeyPathKind::versions) return object_below(directory, names.back());
    directory = directory_below(directory, names.back());
    HF_CHECK(directory.holds_versions);
    return directory.key;
}

}  // namespace

void fuzz_key_path(ByteSpan input) {
    const std::string_view key = as_text(input);
    for (const KeyPathKind kind : {KeyPathKind::object, KeyPathKind::object_beside_directory, KeyPathKind::versions}) {
        const std::vector<std::string> names = path_of_key(key, kind);
        for (const std::string& name : names) HF_CHECK(is_valid_name(name) && name.size() <= 255);
        HF_CHECK(key_of(names, kind) == key);
    }
    // Any names stand for some key.
    KeyDirectory directory;
    for (std::string_view rest = key; !rest.empty();) {
        const std::string_view name = rest.substr(0, rest.find('/'));
        (void)object_below(directory, name);
        directory = directory_below(directory, name);
        rest.remove_prefix(std::min(rest.size(), name.size() + 1));
    }
}

}  // namespace holdfast
