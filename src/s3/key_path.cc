#include "s3/key_path.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "base/bytes.h"
#include "base/clock.h"

namespace holdfast {
namespace {

// What begins like this stands for something else than itself. The letter behind it says for what.
constexpr std::string_view reserved = ".s3~";
constexpr char escaped = 'e', continued = 'c', beside_directory = 'o', of_versions = 'v';
constexpr std::size_t max_name_bytes = 255;
constexpr std::size_t max_piece_bytes = max_name_bytes - reserved.size() - 1;

bool stands_for_itself(std::string_view component) {
    return !component.empty() && component != "." && component != ".." && component.size() <= max_name_bytes &&
           component.find('\0') == std::string_view::npos && !component.starts_with(reserved);
}

bool is_inside_character(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

// How many bytes of `text` go into one name, and what they are there. A character of UTF-8 is not divided.
std::size_t take_piece(std::string_view text, std::string& piece) {
    constexpr std::size_t max_character_bytes = 4;
    std::size_t taken = 0, bytes = 0;
    for (; taken < text.size(); ++taken) {
        bytes += text[taken] == '\0' || text[taken] == '%' ? 3u : 1u;
        if (bytes > max_piece_bytes) break;
    }
    if (taken < text.size())
        for (std::size_t back = 0; back < max_character_bytes; ++back)
            if (!is_inside_character(text[taken - back])) {
                taken -= back;
                break;
            }
    for (const char c : text.substr(0, taken))
        if (c == '\0') piece += "%00";
        else if (c == '%') piece += "%25";
        else piece += c;
    return taken;
}

void add_names(std::string_view component, char letter, std::vector<std::string>& names) {
    for (;;) {
        std::string piece;
        const std::size_t taken = take_piece(component, piece);
        const bool is_last = taken == component.size();
        names.push_back(std::string(reserved) + (is_last ? letter : continued) + piece);
        if (is_last) return;
        component.remove_prefix(taken);
    }
}

struct Meaning {
    char letter = 0;  // 0: the name stands for itself
    std::string text;
};

// A name that is not as it is made here stands for itself, so that nothing gets lost.
Meaning meaning_of(std::string_view name) {
    const Meaning itself{0, std::string(name)};
    if (!name.starts_with(reserved) || name.size() == reserved.size()) return itself;
    Meaning meaning{name[reserved.size()], {}};
    constexpr std::string_view letters = "ecov";
    if (letters.find(meaning.letter) == std::string_view::npos) return itself;
    name.remove_prefix(reserved.size() + 1);
    for (std::size_t i = 0; i < name.size(); ++i) {
        if (name[i] != '%') {
            meaning.text += name[i];
            continue;
        }
        const Bytes byte = from_hex(name.substr(i + 1, 2));
        if (byte.size() != 1) return itself;
        meaning.text += static_cast<char>(byte[0]);
        i += 2;
    }
    return meaning;
}

}  // namespace

std::vector<std::string> path_of_key(std::string_view key, KeyPathKind role) {
    std::vector<std::string> names;
    for (std::size_t slash; (slash = key.find('/')) != std::string_view::npos; key.remove_prefix(slash + 1)) {
        const std::string_view component = key.substr(0, slash);
        if (stands_for_itself(component)) names.emplace_back(component);
        else add_names(component, escaped, names);
    }
    if (role == KeyPathKind::versions) add_names(key, of_versions, names);
    else if (role == KeyPathKind::object_beside_directory) add_names(key, beside_directory, names);
    else if (stands_for_itself(key)) names.emplace_back(key);
    else add_names(key, escaped, names);
    return names;
}

KeyDirectory directory_below(const KeyDirectory& parent, std::string_view name) {
    const Meaning meaning = meaning_of(name);
    const std::string key = parent.key + meaning.text;
    if (meaning.letter == of_versions) return {key, true};
    return {meaning.letter == continued ? key : key + '/', false};
}

std::string object_below(const KeyDirectory& parent, std::string_view name) {
    return parent.key + meaning_of(name).text;
}

std::string VersionNames::next(std::string_view key, std::int64_t time, bool is_delete_marker) {
    constexpr unsigned last_number = 999'999;
    const bool is_newest = key_ != key;
    // The order is that of the listing, whatever the clocks of the service have told.
    if (is_newest || time < time_) {
        time_ = time;
        number_ = last_number;
    } else if (number_ == 0) {
        --time_;
        number_ = last_number;
    } else {
        --number_;
    }
    if (is_newest) key_ = key;
    constexpr std::int64_t second = ns_per_second;
    const std::int64_t fraction = ((time_ % second) + second) % second;
    const std::string seconds = format_rfc3339(time_ - fraction);
    std::array<char, 32> rest{};
    std::snprintf(rest.data(), rest.size(), ".%09lldZ-%06u", static_cast<long long>(fraction), number_);
    return seconds.substr(0, seconds.size() - 1) + rest.data() + (is_delete_marker ? "-deleted" : "");
}

}  // namespace holdfast
