// Which entries of a file tree a backup leaves out: patterns with the meaning they have in a
// .gitignore file.
#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"

namespace holdfast {

// An ordered list of patterns; the last one that matches an entry decides about it.
//
// Meaning: `man gitignore`, section PATTERN FORMAT, for one file of patterns at the source's root.
// Patterns and paths are bytes: `?` and `[..]` match one byte, case counts, the POSIX classes are
// those of ASCII. Where git departs from its own manual, the manual holds: `a**/b` is `a*/b`.
//
// A pattern that begins with the path of the source's root and goes on with '/', or equals it, is
// relative to that root, so for the source /home both `/home/me/cache` and `/me/cache` name the
// same. Any other pattern with a leading '/' is anchored at the source's root as in git, also if it
// looks like an absolute path elsewhere. The root's path stands in the pattern as it is, or with
// backslashes before the characters that would be wildcards.
//
// Threads: match() and empty() may run in any number of threads once nothing is added any more.
class ExcludeRules {
  public:
    enum class EntryKind { directory, other };  // a symbolic link is never a directory
    enum class Match { none, excluded, included };

    // `source_root` is the absolute path of the source's root; trailing slashes do not matter.
    // Empty: there is none, and all patterns are relative.
    explicit ExcludeRules(std::string source_root = "");

    // Appends one pattern; a leading '!' re-includes. All of it counts: comments, blank lines and
    // trailing blanks are the business of add_lines().
    // Errors: invalid_argument for what can never match and so was not meant: an empty pattern, an
    // unterminated or empty bracket expression, an unknown class in one, a lone backslash at the
    // end, a NUL byte, and the components "", "." and "..". Nothing is added then.
    Status add(std::string_view pattern);

    // Appends the patterns of a whole file, one for each line. Left out: a byte order mark, blank
    // lines, lines that start with '#', blanks at the end of a line unless a backslash stands
    // before them, the CR of a CR LF.
    // Errors: those of add(), with the number of the line; the lines before it have been added.
    Status add_lines(std::string_view text);

    bool empty() const { return outcomes_.empty(); }

    // What the last matching rule says about the entry at `path`: relative to the source's root,
    // components separated by single slashes, none at the ends. The empty path is the root itself,
    // which only `/` and the path given to the constructor match.
    // The caller does not ask about what lies below an excluded directory: as with git, nothing
    // there can be included again. Time: a few hash look-ups, and for each rule with wildcards
    // (but not `*suffix`) at worst a polynomial in the lengths of pattern and path.
    Match match(std::string_view path, EntryKind kind) const;

  private:
    using ByteSet = std::bitset<256>;

    // What one path component has to look like.
    struct Component {
        // `suffix` is `*suffix`; `any_depth` is `**` and stands for any number of components.
        enum class Kind { literal, suffix, wildcards, any_depth };
        struct Token {
            enum class Kind : std::uint8_t { byte, any_byte, any_bytes, one_of };
            Kind kind;
            std::uint8_t byte = 0;  // for `byte`
            std::uint32_t set = 0;  // for `one_of`, an index of `sets`
        };

        bool matches(std::string_view name) const;
        bool token_matches(const Token& token, char byte) const;
        static std::size_t find_start(const Token& token, std::string_view name, std::size_t from);

        Kind kind = Kind::literal;
        std::string literal;        // for `literal` and `suffix`
        std::vector<Token> tokens;  // for `wildcards`
        std::vector<ByteSet> sets;
    };

    // One pattern, taken apart.
    struct Pattern {
        bool is_anchored = false;  // else it is one component and matches at any depth
        bool is_directory_only = false;
        std::vector<Component> components;  // none: the source's root
    };

    // A rule that no table can hold. `position` as in LastRule.
    struct WildcardRule {
        std::uint32_t position;
        Pattern pattern;
    };

    // The last rule among those with equal text, for each kind of entry it applies to. Positions
    // are those in `outcomes_`, counted from 1; 0 is none.
    struct LastRule {
        std::uint32_t any_kind = 0;
        std::uint32_t directory = 0;
    };
    struct TextHash {
        using is_transparent = void;
        std::size_t operator()(std::string_view text) const {
            return std::hash<std::string_view>{}(text);
        }
    };
    using Table = std::unordered_map<std::string, LastRule, TextHash, std::equal_to<>>;

    class Parser;

    static std::uint32_t find_last(const Table& table, std::string_view text, EntryKind kind);
    std::uint32_t find_last_suffix(std::string_view name, EntryKind kind) const;
    // `after` if no rule that comes after that position matches.
    std::uint32_t find_last_wildcard(std::string_view path,
                                     std::string_view name,
                                     EntryKind kind,
                                     std::uint32_t after) const;
    static bool components_match(const std::vector<Component>& components, std::string_view path);
    std::string_view strip_source_root(std::string_view pattern) const;
    void insert(Pattern pattern);

    std::string source_root_;  // without trailing slashes
    std::vector<Match> outcomes_;
    Table names_;                            // literal last components, at any depth
    Table paths_;                            // literal paths
    Table suffixes_;                         // `*suffix`, at any depth
    std::vector<std::size_t> suffix_sizes_;  // of the keys of suffixes_; each once
    std::vector<WildcardRule> wildcard_rules_;
};

}  // namespace holdfast
