#include "source/files/exclude.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace holdfast {
namespace {

using EntryKind = ExcludeRules::EntryKind;
using Match = ExcludeRules::Match;

constexpr EntryKind directory = EntryKind::directory;
constexpr EntryKind other = EntryKind::other;

// A path with a slash at the end is a directory; the root is "/".
Match match_path(const ExcludeRules& rules, std::string_view path) {
    if (!path.ends_with('/')) return rules.match(path, other);
    return rules.match(path.substr(0, path.size() - 1), directory);
}

void expect_matches(std::string_view pattern,
                    const std::vector<std::string>& matched,
                    const std::vector<std::string>& unmatched,
                    std::string_view source_root = "") {
    ExcludeRules rules{std::string(source_root)};
    const Status added = rules.add(pattern);
    ASSERT_TRUE(added.ok()) << pattern << ": " << added.error().describe();
    for (const std::string& path : matched)
        EXPECT_EQ(match_path(rules, path), Match::excluded) << pattern << " and " << path;
    for (const std::string& path : unmatched)
        EXPECT_EQ(match_path(rules, path), Match::none) << pattern << " and " << path;
}

// Appends instead of "!" + pattern, where g++ 12 sees an overlap that is not there (PR 105651).
std::string negated(std::string_view pattern) {
    return std::string("!").append(pattern);
}

struct PatternCase {
    std::string_view pattern;
    std::vector<std::string> matched;
    std::vector<std::string> unmatched;
};

void expect_cases(const std::vector<PatternCase>& cases) {
    for (const PatternCase& c : cases) expect_matches(c.pattern, c.matched, c.unmatched);
}

// The examples of `man gitignore`.
TEST(ExcludeRulesTest, MatchesTheExamplesOfTheManual) {
    expect_cases({
        {"hello.*", {"hello.txt", "a/hello.", "hello.d/"}, {"hello", "ahello.txt"}},
        {"/hello.*", {"hello.txt", "hello.c/"}, {"a/hello.java"}},
        {"foo/", {"foo/", "a/foo/"}, {"foo", "a/foo", "foo/bar"}},
        {"doc/frotz", {"doc/frotz", "doc/frotz/"}, {"a/doc/frotz", "frotz"}},
        {"/doc/frotz", {"doc/frotz", "doc/frotz/"}, {"a/doc/frotz", "frotz"}},
        {"doc/frotz/", {"doc/frotz/"}, {"doc/frotz", "a/doc/frotz/"}},
        {"frotz/", {"frotz/", "a/frotz/"}, {"frotz"}},
        {"foo/*", {"foo/test.json", "foo/bar/"}, {"foo/bar/hello.c", "foo/", "a/foo/b"}},
        {"**/foo", {"foo", "a/foo/", "a/b/foo"}, {"afoo", "foo/a"}},
        {"**/foo/bar", {"foo/bar", "a/foo/bar", "a/b/foo/bar"}, {"foo", "bar", "foo/a/bar"}},
        {"abc/**", {"abc/a", "abc/a/b/c"}, {"abc", "abc/", "a/abc/b"}},
        {"a/**/b", {"a/b", "a/x/b", "a/x/y/b/"}, {"a", "b", "ab", "x/a/b", "a/b/c"}},
    });
}

TEST(ExcludeRulesTest, MatchesNamesAtAnyDepthAndPathsAtTheRoot) {
    expect_cases({
        {"a", {"a", "b/a", "b/c/a/"}, {"ab", "ba", "a/b", "A"}},
        {"/a", {"a", "a/"}, {"b/a"}},
        {"/a/", {"a/"}, {"a", "b/a/"}},
        {"*", {"a", "a/b/c/"}, {"/"}},
        {"**", {"a", "a/b/c/"}, {"/"}},
        {"/*", {"a", "b/"}, {"a/b"}},
        {"/**", {"a", "a/b/c/"}, {"/"}},
        {"**/", {"a/", "a/b/"}, {"a", "a/b"}},
        {"a/**/", {"a/b/", "a/b/c/"}, {"a/", "a/b"}},
        {"*.o", {"a.o", "a/.o", "a/b.c.o"}, {"a.oo", "o", "a.o/b"}},
        {"*.o/", {"a.o/"}, {"a.o"}},
        {".*", {".a", "a/.b"}, {"a", "a.b"}},
        {"*~", {"a~", "~"}, {"a~b"}},
        {"a*b*c", {"abc", "a1b2c", "abcbc"}, {"ab", "abcd", "xabc", "a/bc"}},
        {"a**c", {"ac", "abc", "d/abc"}, {"a/c"}},
        {"?", {"a", "b/c/"}, {"ab", "\xc3\xa4"}},
        {"\xff?", {"\xff\xfe"}, {"\xff"}},
        {"*/b", {"a/b", "c/b/"}, {"b", "a/a/b"}},
        {"a/*.c", {"a/b.c", "a/.c"}, {"a/b/d.c", "b.c"}},
        {"a**/b", {"a/b", "axy/b"}, {"ax/y/b", "b"}},
        {"a/**b/c", {"a/b/c", "a/xb/c"}, {"a/x/b/c"}},
        {"**/a/**/b/**", {"a/b/c", "x/a/y/b/c/d"}, {"a/b", "b/a/c"}},
        {"**/**/a/b", {"a/b", "x/y/a/b"}, {"a", "x/a/y/b"}},
        {"a/**/**", {"a/b", "a/b/c"}, {"a"}},
        {"***/a/b", {"a/b", "x/y/a/b"}, {"a"}},
    });
}

TEST(ExcludeRulesTest, MatchesBracketExpressions) {
    expect_cases({
        {"[ab]", {"a", "b"}, {"c", "ab", "]"}},
        {"[a-c]x", {"ax", "bx", "cx"}, {"dx", "-x"}},
        {"[!a-c]", {"d", "-"}, {"a", "b"}},
        {"[^a-c]", {"d", "^"}, {"a", "b"}},
        {"[]]", {"]"}, {"a"}},
        {"[!]a]", {"b"}, {"]", "a"}},
        {"[]-a]", {"]", "^", "a"}, {"-", "b"}},
        {"[a-]", {"a", "-"}, {"b"}},
        {"[-a]", {"a", "-"}, {"b"}},
        {"[a-c-e]", {"b", "-", "e"}, {"d"}},
        {"[--0]", {"-", "0"}, {"1", ",", "a"}},
        {"[\\]a]", {"]", "a"}, {"\\"}},
        {"[a\\-c]", {"a", "-", "c"}, {"b"}},
        {"[A-\\]]", {"A", "Z", "]"}, {"a", "^"}},
        {"[b-a]", {"b"}, {"a", "-"}},
        {"[\\\\]", {"\\"}, {"a"}},
        {"[[:digit:]x]", {"0", "9", "x"}, {"a", ":"}},
        {"[![:space:]]", {"a"}, {" ", "\t", "\n"}},
        {"[[:alpha:]-z]", {"a", "-", "Z"}, {"1"}},
        {"[[:upper:][:digit:]]", {"A", "1"}, {"a"}},
        {"[[:alnum:]][[:punct:]][[:xdigit:]]", {"a.F", "1_0"}, {"a.G", "aaF"}},
        {"[[:a]", {"[", ":", "a"}, {"b"}},
        {"[[:]", {"[", ":"}, {"]"}},
        {"[a-[:digit:]]", {":]", "d]"}, {"1", "1]"}},
        {"[!x]b", {"ab"}, {"a/b", "xb"}},
        {"x[!a]y/z", {"xby/z"}, {"x/y/z"}},
        {"a[b/]", {"ab"}, {"c/ab", "a"}},  // a slash anchors even where it cannot match
        {"[\x80-\xff]", {"\x80", "\xff"}, {"a", "\x7f"}},
    });
}

TEST(ExcludeRulesTest, BackslashMakesLiteral) {
    expect_cases({
        {"\\*", {"*", "a/*"}, {"a"}},
        {"a\\?", {"a?"}, {"ab"}},
        {"\\[a]", {"[a]"}, {"a"}},
        {"\\a\\b", {"ab"}, {"\\a\\b"}},
        {"\\\\", {"\\"}, {"a"}},
        {"\\!a", {"!a"}, {"a"}},
        {"\\#a", {"#a"}, {"a"}},
        {"#a", {"#a"}, {"a"}},
        {"a\\ ", {"a "}, {"a"}},
        {"*\\*", {"*", "a*"}, {"a"}},
        {"*.\\o", {"a.o"}, {"a.\\o"}},
        {"\\**", {"*", "*a"}, {"a"}},
        {"a\\/b", {"a/b"}, {"x/a/b"}},
    });
}

TEST(ExcludeRulesTest, LastMatchWinsWhateverTheShapes) {
    const std::array<std::string_view, 7> shapes{
        "x.log", "*.log", "x.*", "/a/x.log", "a/*.log", "**/a/x.log", "*"};
    for (const std::string_view first : shapes) {
        for (const std::string_view second : shapes) {
            ExcludeRules rules;
            ASSERT_TRUE(rules.add(first).ok());
            ASSERT_TRUE(rules.add(negated(second)).ok());
            EXPECT_EQ(rules.match("a/x.log", other), Match::included) << first << " " << second;
            ASSERT_TRUE(rules.add(first).ok());
            EXPECT_EQ(rules.match("a/x.log", other), Match::excluded) << first << " " << second;
        }
    }
}

TEST(ExcludeRulesTest, RulesForDirectoriesDoNotHideOlderOnesForFiles) {
    for (const std::string_view text : {"a", "*a", "[a]", "/a", "/?"}) {
        ExcludeRules rules;
        ASSERT_TRUE(rules.add(text).ok());
        ASSERT_TRUE(rules.add(negated(text).append("/")).ok());
        EXPECT_EQ(rules.match("a", other), Match::excluded) << text;
        EXPECT_EQ(rules.match("a", directory), Match::included) << text;
    }
}

TEST(ExcludeRulesTest, ReportsThatNoRuleMatched) {
    ExcludeRules rules;
    EXPECT_TRUE(rules.empty());
    EXPECT_EQ(rules.match("a/b", other), Match::none);
    ASSERT_TRUE(rules.add("!!a").ok());
    EXPECT_FALSE(rules.empty());
    EXPECT_EQ(rules.match("!a", other), Match::included);
    EXPECT_EQ(rules.match("a", other), Match::none);
}

TEST(ExcludeRulesTest, TakesAbsolutePathsBelowTheSourceAsRelative) {
    expect_matches("/home/me/cache", {"me/cache"}, {"home/me/cache", "a/me/cache"}, "/home");
    expect_matches("/home/me/*.o", {"me/a.o"}, {"a.o", "me/b/a.o"}, "/home/");
    expect_matches("/home/cache/", {"cache/"}, {"cache", "me/cache/"}, "/home");
    expect_matches("/home/**/cache", {"cache", "a/b/cache"}, {"home"}, "/home");
    expect_matches("/homework/a", {"homework/a"}, {"work/a", "a"}, "/home");
    expect_matches("/me/cache", {"me/cache"}, {"cache"}, "/home");
    expect_matches("home/me", {"home/me"}, {"me"}, "/home");
    expect_matches("/home/me", {"home/me"}, {"me"}, "/");
    expect_matches("/srv/[a]/x", {"x"}, {"srv/a/x"}, "/srv/[a]");
    expect_matches("/srv/\\[a]/x", {"x"}, {"srv/[a]/x"}, "/srv/[a]");
    expect_matches("/srv/a\\b/x", {"x"}, {"srv/ab/x"}, "/srv/a\\b");
}

TEST(ExcludeRulesTest, OnlyItsOwnPathMatchesTheRoot) {
    for (const std::string_view pattern : {"/", "/home/me", "/home/me/"})
        expect_matches(pattern, {"/", ""}, {"a", "home/", "home/me/"}, "/home/me");
    for (const std::string_view pattern :
         {"*", "**", "/*", "/**", "**/", "?", "me", "/me", "/home"})
        expect_matches(pattern, {}, {"/", ""}, "/home/me");
}

TEST(ExcludeRulesTest, RefusesWhatCanNeverMatch) {
    using std::string_view_literals::operator""sv;
    for (const std::string_view pattern :
         {""sv,      "!"sv,     "["sv,    "a[b"sv,    "[]"sv,        "[!]"sv,          "[a-"sv,
          "[a\\"sv,  "[a\\]"sv, "[[:a"sv, "[a/"sv,    "[[:alpha:"sv, "[[:digits:]]"sv, "[[::]]"sv,
          "[/]"sv,   "a\\"sv,   "a\\/"sv, "\\"sv,     "a\0b"sv,      "//"sv,           "a//b"sv,
          "a//"sv,   "//a"sv,   "./a"sv,  "a/../b"sv, "."sv,         ".."sv,           "!./a"sv,
          "\\./a"sv, "\\/a"sv}) {
        ExcludeRules rules;
        const Status added = rules.add(pattern);
        ASSERT_FALSE(added.ok()) << pattern;
        EXPECT_EQ(added.error().code(), ErrorCode::invalid_argument) << pattern;
        EXPECT_TRUE(rules.empty()) << pattern;
    }
}

TEST(ExcludeRulesTest, ReadsFilesOfPatterns) {
    ExcludeRules rules;
    const Status added = rules.add_lines(
        "\xef\xbb\xbf"
        "# a comment\n\n   \n\r\n"
        "crlf\r\n"
        "trailing  \n"
        "escaped\\  \r\n"
        "two words\n"
        "tab\t\n"
        " # no comment\n"
        "\\#hash\n"
        "!two*\n"
        "last");
    ASSERT_TRUE(added.ok()) << added.error().describe();
    for (const char* path :
         {"crlf", "trailing", "escaped ", "tab\t", " # no comment", "#hash", "last"})
        EXPECT_EQ(rules.match(path, other), Match::excluded) << path;
    EXPECT_EQ(rules.match("two words", other), Match::included);
    for (const char* path : {"# a comment", "", " ", "escaped", "tab", "crlf\r"})
        EXPECT_EQ(rules.match(path, other), Match::none) << path;
}

TEST(ExcludeRulesTest, CommentsAndBlanksAloneAddNothing) {
    ExcludeRules rules;
    ASSERT_TRUE(rules.add_lines("").ok());
    ASSERT_TRUE(rules.add_lines("\n#a\n  \n\r\n# b").ok());
    EXPECT_TRUE(rules.empty());
}

TEST(ExcludeRulesTest, ErrorsInFilesNameTheLine) {
    ExcludeRules rules;
    const Status added = rules.add_lines("a\n# comment\nb[\nc\n");
    ASSERT_FALSE(added.ok());
    EXPECT_EQ(added.error().code(), ErrorCode::invalid_argument);
    EXPECT_EQ(
        added.error().describe(),
        "a bracket expression is not terminated (while reading the pattern 'b[', while reading "
        "line 3)");
    EXPECT_EQ(rules.match("a", other), Match::excluded);
    EXPECT_EQ(rules.match("c", other), Match::none);
}

std::string repeat(std::string_view text, std::size_t count) {
    std::string result;
    for (std::size_t i = 0; i < count; ++i) result += text;
    return result;
}

// With exponential backtracking this test would not end.
TEST(ExcludeRulesTest, HostilePatternsEnd) {
    const std::string long_name = repeat("a", 5000);
    const std::string deep_path = repeat("a/", 2000) + "a";
    expect_matches(repeat("a*", 500) + "b", {long_name + "b"}, {long_name});
    expect_matches(repeat("*?", 500) + "b", {long_name + "b"}, {long_name});
    expect_matches(repeat("[ab]*", 500) + "c", {long_name + "c"}, {long_name});
    expect_matches(repeat("**/", 500) + "b/c", {deep_path + "/b/c"}, {deep_path});
    expect_matches(repeat("**/a/", 500) + "b", {deep_path + "/b"}, {deep_path});
    expect_matches(repeat("**/*a*/", 200) + "b", {deep_path + "/b"}, {deep_path});
    expect_matches(repeat("**/", 500) + "**", {deep_path, "a"}, {"/"});
}

// A temporary folder with a git repository, to ask git itself. Its `paths` exist.
class GitOracle {
  public:
    explicit GitOracle(const std::vector<std::string>& paths);
    ~GitOracle() { std::filesystem::remove_all(root_); }
    GitOracle(const GitOracle&) = delete;
    GitOracle& operator=(const GitOracle&) = delete;

    bool is_usable() const { return is_usable_; }
    // For each path the line (from 1) of the rule that decides about it, 0 for none.
    std::vector<std::size_t> deciding_lines(const std::string& rules) const;

  private:
    std::string run(const std::string& arguments) const;
    void write(const std::string& name, std::string_view text) const;

    std::filesystem::path root_;
    std::size_t path_count_;
    bool is_usable_ = false;
};

GitOracle::GitOracle(const std::vector<std::string>& paths) : path_count_(paths.size()) {
    std::string name =
        (std::filesystem::temp_directory_path() / "holdfast-exclude-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) return;
    root_ = name;
    std::filesystem::create_directory(root_ / "tree");
    write("paths", "");
    run("init -q");
    is_usable_ = std::filesystem::exists(root_ / "tree/.git/info");
    std::string list;
    for (const std::string& path : paths) {
        const bool is_directory = path.ends_with('/');
        list += path.substr(0, path.size() - (is_directory ? 1 : 0)) + '\0';
        if (is_directory)
            std::filesystem::create_directories(root_ / "tree" / path);
        else
            write("tree/" + path, "");
    }
    write("paths", list);
}

std::vector<std::size_t> GitOracle::deciding_lines(const std::string& rules) const {
    write("tree/.git/info/exclude", rules);
    // Four fields for each path: file of the rule, line, pattern, path; each ends with a NUL.
    const std::string output = run("check-ignore --no-index -v -n -z --stdin");
    std::vector<std::size_t> lines;
    std::size_t field = 0;
    for (std::size_t begin = 0; begin < output.size(); ++field) {
        const std::string text = output.substr(begin, output.find('\0', begin) - begin);
        begin += text.size() + 1;
        if (field % 4 == 1) lines.push_back(text.empty() ? 0 : std::stoul(text));
    }
    EXPECT_EQ(lines.size(), path_count_);
    lines.resize(path_count_);
    return lines;
}

std::string GitOracle::run(const std::string& arguments) const {
    std::string command = "cd '";
    command.append(root_.string());
    command.append("' && env -i PATH=\"$PATH\" HOME=\"$PWD\" GIT_CONFIG_NOSYSTEM=1 git -C tree ");
    command.append(arguments).append(" <paths 2>/dev/null");
    const std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen(command.c_str(), "r"), ::pclose);
    std::string output;
    std::array<char, 4096> buffer{};
    while (pipe) {
        const std::size_t count = std::fread(buffer.data(), 1, buffer.size(), pipe.get());
        if (count == 0) break;
        output.append(buffer.data(), count);
    }
    return output;
}

void GitOracle::write(const std::string& name, std::string_view text) const {
    std::ofstream(root_ / name, std::ios::binary) << text;
}

// What a walk that does not descend into excluded directories finds out about `path`.
Match match_on_walk(const ExcludeRules& rules, const std::string& path) {
    for (std::size_t slash = path.find('/'); slash != std::string::npos && slash + 1 < path.size();
         slash = path.find('/', slash + 1))
        if (rules.match(path.substr(0, slash), directory) == Match::excluded)
            return Match::excluded;
    return match_path(rules, path);
}

class RandomPatterns {
  public:
    explicit RandomPatterns(unsigned seed) : random_(seed) {}

    // One to eight lines, all valid.
    std::vector<std::string> lines() {
        std::vector<std::string> result;
        for (std::size_t count = 1 + below(8); result.size() < count;) {
            std::string text = below(4) == 0 ? "!" : "";
            if (below(3) == 0) text += "/";
            const std::size_t components = 1 + below(3);
            for (std::size_t i = 0; i < components; ++i)
                text.append(i == 0 ? "" : "/").append(component());
            if (below(4) == 0) text += "/";
            result.push_back(text);
        }
        return result;
    }

  private:
    std::size_t below(std::size_t limit) {
        return std::uniform_int_distribution<std::size_t>(0, limit - 1)(random_);
    }
    // Never two stars side by side, but for a whole `**`: there git departs from its manual.
    std::string component() {
        static constexpr std::array<std::string_view, 12> atoms{
            "a", "b", "a", "b", ".c", "?", "[ab]", "[!a]", "[a-c]", "[[:punct:]]", "\\a", "*"};
        if (below(5) == 0) return "**";
        std::string result;
        for (std::size_t left = 1 + below(3); left > 0; --left) {
            const std::string_view atom = atoms[below(atoms.size())];
            if (atom != "*" || !result.ends_with('*')) result += atom;
        }
        return result;
    }

    std::mt19937 random_;
};

TEST(ExcludeRulesTest, AgreesWithGit) {
    const std::vector<std::string> paths{
        "a/",     "a/a", "a/b/",   "a/b/a",   "a/b/b/",   "a/b/b/a.c", "a/ab/", "a/ab/b",
        "a/.c",   "b/",  "b/a/",   "b/a/b/",  "b/a/b/c",  "b/b",       "b/a.c", "b/.c/",
        "b/.c/a", "ab/", "ab/ab",  "ab/b.c/", "ab/b.c/a", "ba",        "a.c",   "c",
        ".c",     "aa/", "aa/aa/", "aa/aa/b", "aa/a/",    "aa/a/a",    "b/ab",  "bb"};
    const GitOracle git(paths);
    ASSERT_TRUE(git.is_usable()) << "git cannot be run";
    RandomPatterns random(20221122);
    for (int round = 0; round < 100; ++round) {
        const std::vector<std::string> lines = random.lines();
        std::string text;
        for (const std::string& line : lines) text += line + "\n";
        ExcludeRules rules;
        ASSERT_TRUE(rules.add_lines(text).ok()) << text;
        const std::vector<std::size_t> deciding = git.deciding_lines(text);
        for (std::size_t i = 0; i < paths.size(); ++i) {
            Match expected = Match::none;
            if (deciding[i] != 0)
                expected =
                    lines[deciding[i] - 1].starts_with('!') ? Match::included : Match::excluded;
            EXPECT_EQ(match_on_walk(rules, paths[i]), expected) << paths[i] << " and\n" << text;
        }
    }
}

}  // namespace
}  // namespace holdfast
