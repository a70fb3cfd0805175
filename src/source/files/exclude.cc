#include "source/files/exclude.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

namespace holdfast {
namespace {

constexpr bool is_upper(std::uint8_t byte) {
    return byte >= 'A' && byte <= 'Z';
}
constexpr bool is_lower(std::uint8_t byte) {
    return byte >= 'a' && byte <= 'z';
}
constexpr bool is_alpha(std::uint8_t byte) {
    return is_upper(byte) || is_lower(byte);
}
constexpr bool is_digit(std::uint8_t byte) {
    return byte >= '0' && byte <= '9';
}
constexpr bool is_alnum(std::uint8_t byte) {
    return is_alpha(byte) || is_digit(byte);
}
constexpr bool is_graph(std::uint8_t byte) {
    return byte > ' ' && byte < 0x7f;
}
constexpr bool is_print(std::uint8_t byte) {
    return byte == ' ' || is_graph(byte);
}
constexpr bool is_cntrl(std::uint8_t byte) {
    return byte < ' ' || byte == 0x7f;
}
constexpr bool is_punct(std::uint8_t byte) {
    return is_graph(byte) && !is_alnum(byte);
}
constexpr bool is_blank(std::uint8_t byte) {
    return byte == ' ' || byte == '\t';
}
constexpr bool is_space(std::uint8_t byte) {
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}
constexpr bool is_xdigit(std::uint8_t byte) {
    return is_digit(byte) || (byte >= 'a' && byte <= 'f') || (byte >= 'A' && byte <= 'F');
}

struct ByteClass {
    std::string_view name;
    bool (*contains)(std::uint8_t);
};

constexpr std::array<ByteClass, 12> byte_classes{{
    {"alnum", is_alnum},
    {"alpha", is_alpha},
    {"blank", is_blank},
    {"cntrl", is_cntrl},
    {"digit", is_digit},
    {"graph", is_graph},
    {"lower", is_lower},
    {"print", is_print},
    {"punct", is_punct},
    {"space", is_space},
    {"upper", is_upper},
    {"xdigit", is_xdigit},
}};

Error bad_pattern(std::string message) {
    return Error(ErrorCode::invalid_argument, std::move(message));
}

// A path, component by component.
class PathCursor {
  public:
    explicit PathCursor(std::string_view path) : rest_(path), at_end_(path.empty()) {}

    bool at_end() const { return at_end_; }
    std::string_view component() const { return rest_.substr(0, rest_.find('/')); }
    void advance() {
        const std::size_t slash = rest_.find('/');
        at_end_ = slash == std::string_view::npos;
        rest_.remove_prefix(at_end_ ? rest_.size() : slash + 1);
    }

  private:
    std::string_view rest_;
    bool at_end_;
};

// Without the CR at the end, nor the spaces there that no backslash protects.
std::string_view trim_line(std::string_view line) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    std::size_t used = 0;
    for (std::size_t i = 0; i < line.size(); ++i) {
        if (line[i] == ' ') continue;
        if (line[i] == '\\' && i + 1 < line.size()) ++i;
        used = i + 1;
    }
    return line.substr(0, used);
}

}  // namespace

// Takes one pattern apart, which has no '!' and no path of the source's root any more.
class ExcludeRules::Parser {
  public:
    explicit Parser(std::string_view text) : text_(text) {}

    Result<Pattern> parse();

  private:
    bool at_end() const { return position_ == text_.size(); }
    bool at(char wanted) const { return !at_end() && text_[position_] == wanted; }
    std::uint8_t take() { return static_cast<std::uint8_t>(text_[position_++]); }
    Result<std::uint8_t> take_escaped();

    Status parse_token();
    void parse_stars();
    Status parse_bracket();
    Status parse_bracket_items(ByteSet& set);
    // Takes "[:name:]" if it stands here; false when this is something else.
    Result<bool> parse_class(ByteSet& set);
    Status finish_component();
    void simplify();

    std::string_view text_;
    std::size_t position_ = 0;
    Component component_;  // the one being read, as tokens
    bool has_star_run_ = false;
    Pattern pattern_;
};

Result<ExcludeRules::Pattern> ExcludeRules::Parser::parse() {
    pattern_.is_directory_only = text_.size() > 1 && text_.ends_with('/');
    if (pattern_.is_directory_only) text_.remove_suffix(1);
    // As in git, a slash within brackets anchors too, though it never matches.
    pattern_.is_anchored = text_.find('/') != std::string_view::npos;
    if (text_.starts_with('/')) text_.remove_prefix(1);
    if (at_end() && pattern_.is_anchored && !pattern_.is_directory_only) return pattern_;
    while (!at_end()) HF_TRY_STATUS(parse_token());
    HF_TRY_STATUS(finish_component());
    simplify();
    return std::move(pattern_);
}

Result<std::uint8_t> ExcludeRules::Parser::take_escaped() {
    if (at('\\')) ++position_;
    if (at_end()) return bad_pattern("a backslash at the end has nothing to escape");
    return take();
}

Status ExcludeRules::Parser::parse_token() {
    using Kind = Component::Token::Kind;
    if (at('[')) return parse_bracket();
    if (at('*')) {
        parse_stars();
        return {};
    }
    if (at('?')) {
        ++position_;
        component_.tokens.push_back({.kind = Kind::any_byte});
        return {};
    }
    HF_TRY(const std::uint8_t byte, take_escaped());
    if (byte == '/') return finish_component();
    component_.tokens.push_back({.kind = Kind::byte, .byte = byte});
    return {};
}

void ExcludeRules::Parser::parse_stars() {
    const std::size_t begin = position_;
    while (at('*')) ++position_;
    has_star_run_ = position_ - begin > 1;
    component_.tokens.push_back({.kind = Component::Token::Kind::any_bytes});
}

Status ExcludeRules::Parser::parse_bracket() {
    ++position_;
    const bool is_negated = at('!') || at('^');
    if (is_negated) ++position_;
    ByteSet set;
    HF_TRY_STATUS(parse_bracket_items(set));
    if (is_negated) set.flip();
    set.reset('/');
    if (set.none()) return bad_pattern("a bracket expression matches no character");
    const auto index = static_cast<std::uint32_t>(component_.sets.size());
    component_.sets.push_back(set);
    component_.tokens.push_back({.kind = Component::Token::Kind::one_of, .set = index});
    return {};
}

Status ExcludeRules::Parser::parse_bracket_items(ByteSet& set) {
    std::uint8_t range_begin = 0;  // 0: none; no pattern holds a NUL
    for (bool is_first = true; is_first || !at(']'); is_first = false) {
        if (at_end()) return bad_pattern("a bracket expression is not terminated");
        HF_TRY(const bool was_class, parse_class(set));
        if (was_class) {
            range_begin = 0;
            continue;
        }
        const bool ends_range =
            at('-') && range_begin != 0 && !text_.substr(position_ + 1).starts_with(']');
        if (ends_range) ++position_;
        if (at_end()) return bad_pattern("a bracket expression is not terminated");
        HF_TRY(const std::uint8_t byte, take_escaped());
        for (unsigned member = ends_range ? range_begin : byte; member <= byte; ++member)
            set.set(member);
        range_begin = ends_range ? 0 : byte;
    }
    ++position_;
    return {};
}

Result<bool> ExcludeRules::Parser::parse_class(ByteSet& set) {
    if (!text_.substr(position_).starts_with("[:")) return false;
    const std::size_t begin = position_ + 2;
    const std::size_t bracket = text_.find(']', begin);
    if (bracket == std::string_view::npos || bracket == begin || text_[bracket - 1] != ':')
        return false;
    const std::string_view name = text_.substr(begin, bracket - 1 - begin);
    const auto* const known = std::find_if(byte_classes.begin(),
                                           byte_classes.end(),
                                           [&](const ByteClass& c) { return c.name == name; });
    if (known == byte_classes.end())
        return bad_pattern("unknown character class [:" + std::string(name) + ":]");
    for (unsigned byte = 0; byte < set.size(); ++byte)
        if (known->contains(static_cast<std::uint8_t>(byte))) set.set(byte);
    position_ = bracket + 1;
    return true;
}

Status ExcludeRules::Parser::finish_component() {
    using Kind = Component::Kind;
    Component done = std::exchange(component_, {});
    const bool had_star_run = std::exchange(has_star_run_, false);
    std::vector<Component::Token>& tokens = done.tokens;
    const bool has_leading_star =
        !tokens.empty() && tokens.front().kind == Component::Token::Kind::any_bytes;
    const auto begin = tokens.begin() + (has_leading_star ? 1 : 0);
    const bool is_rest_literal = std::all_of(begin, tokens.end(), [](const auto& token) {
        return token.kind == Component::Token::Kind::byte;
    });
    if (is_rest_literal) {
        done.kind = has_leading_star ? Kind::suffix : Kind::literal;
        for (auto token = begin; token != tokens.end(); ++token)
            done.literal.push_back(static_cast<char>(token->byte));
        if (pattern_.is_anchored && had_star_run && done.literal.empty())
            done.kind = Kind::any_depth;
        tokens.clear();
    } else {
        done.kind = Kind::wildcards;
    }
    const std::string& literal = done.literal;
    if (done.kind == Kind::literal && (literal.empty() || literal == "." || literal == ".."))
        return bad_pattern("no path has a component '" + literal + "'");
    pattern_.components.push_back(std::move(done));
    return {};
}

// Gives patterns with one meaning one form: `**/**` is `**`, `**/a` is `a`.
void ExcludeRules::Parser::simplify() {
    std::vector<Component>& components = pattern_.components;
    const auto both_any_depth = [](const Component& a, const Component& b) {
        return a.kind == Component::Kind::any_depth && b.kind == Component::Kind::any_depth;
    };
    components.erase(std::unique(components.begin(), components.end(), both_any_depth),
                     components.end());
    if (components.size() == 2 && components[0].kind == Component::Kind::any_depth) {
        components.erase(components.begin());
        pattern_.is_anchored = false;
    }
}

bool ExcludeRules::Component::token_matches(const Token& token, char byte) const {
    switch (token.kind) {
        case Token::Kind::byte:
            return token.byte == static_cast<std::uint8_t>(byte);
        case Token::Kind::any_byte:
            return true;
        case Token::Kind::one_of:
            return sets[token.set][static_cast<std::uint8_t>(byte)];
        case Token::Kind::any_bytes:
            break;
    }
    return false;
}

// Where the rest of a component that begins with `token` can begin in `name`, not before `from`.
std::size_t ExcludeRules::Component::find_start(const Token& token,
                                                std::string_view name,
                                                std::size_t from) {
    if (token.kind == Token::Kind::byte) return name.find(static_cast<char>(token.byte), from);
    return from < name.size() ? from : std::string_view::npos;
}

// After a mismatch only the last star has to take one more byte: what the earlier ones could take
// instead, it can take as well. So the time is at most the product of the two lengths.
bool ExcludeRules::Component::matches(std::string_view name) const {
    if (kind == Kind::literal) return name == literal;
    if (kind == Kind::suffix) return name.ends_with(literal);
    std::size_t token = 0;
    std::size_t byte = 0;
    std::size_t retry_token = 0;  // behind the last star; 0 before there is one
    std::size_t retry_byte = 0;
    while (byte < name.size() || token < tokens.size()) {
        const bool has_token = token < tokens.size();
        if (has_token && tokens[token].kind == Token::Kind::any_bytes) {
            retry_token = ++token;
            retry_byte = byte;
            if (token == tokens.size()) return true;
        } else if (has_token && byte < name.size() && token_matches(tokens[token], name[byte])) {
            ++token;
            ++byte;
            continue;
        } else {
            if (retry_token == 0) return false;
            ++retry_byte;
        }
        retry_byte = find_start(tokens[retry_token], name, retry_byte);
        if (retry_byte == std::string_view::npos) return false;
        token = retry_token;
        byte = retry_byte;
    }
    return true;
}

// The same one level up: `**` takes components as a star takes bytes. At the end it takes at least
// one, because `a/**` does not match `a`.
bool ExcludeRules::components_match(const std::vector<Component>& components,
                                    std::string_view path) {
    std::size_t index = 0;
    PathCursor cursor(path);
    std::size_t retry_index = 0;  // behind the last `**`; 0 before there is one
    PathCursor retry_cursor = cursor;
    while (index < components.size() || !cursor.at_end()) {
        if (index < components.size() && components[index].kind == Component::Kind::any_depth) {
            retry_index = ++index;
            retry_cursor = cursor;
            if (index == components.size()) return !cursor.at_end();
            continue;
        }
        if (index < components.size() && !cursor.at_end() &&
            components[index].matches(cursor.component())) {
            ++index;
            cursor.advance();
            continue;
        }
        if (retry_index == 0 || retry_cursor.at_end()) return false;
        retry_cursor.advance();
        index = retry_index;
        cursor = retry_cursor;
    }
    return true;
}

ExcludeRules::ExcludeRules(std::string source_root) : source_root_(std::move(source_root)) {
    while (source_root_.ends_with('/')) source_root_.pop_back();
}

std::string_view ExcludeRules::strip_source_root(std::string_view pattern) const {
    std::string_view rest = pattern;
    for (const char wanted : source_root_) {
        if (rest.size() > 1 && rest[0] == '\\' && rest[1] == wanted) rest.remove_prefix(1);
        if (!rest.starts_with(wanted)) return pattern;
        rest.remove_prefix(1);
    }
    if (rest.empty()) return "/";
    return rest.starts_with('/') ? rest : pattern;
}

Status ExcludeRules::add(std::string_view pattern) {
    const bool is_included = pattern.starts_with('!');
    const std::string_view text = pattern.substr(is_included ? 1 : 0);
    if (text.empty()) return bad_pattern("a pattern is empty");
    if (text.find('\0') != std::string_view::npos) return bad_pattern("a pattern holds a NUL byte");
    Result<Pattern> parsed = Parser(strip_source_root(text)).parse();
    if (!parsed.ok())
        return std::move(parsed).error().with_context(
            std::string("reading the pattern '").append(pattern).append("'"));
    outcomes_.push_back(is_included ? Match::included : Match::excluded);
    insert(std::move(parsed).value());
    return {};
}

Status ExcludeRules::add_lines(std::string_view text) {
    constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";
    if (text.starts_with(byte_order_mark)) text.remove_prefix(byte_order_mark.size());
    for (std::size_t number = 1; !text.empty(); ++number) {
        const std::string_view line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(text.size(), line.size() + 1));
        const std::string_view pattern = trim_line(line);
        if (pattern.empty() || pattern.starts_with('#')) continue;
        Status added = add(pattern);
        if (!added.ok())
            return std::move(added).error().with_context("reading line " + std::to_string(number));
    }
    return {};
}

void ExcludeRules::insert(Pattern pattern) {
    const auto position = static_cast<std::uint32_t>(outcomes_.size());
    const std::vector<Component>& components = pattern.components;
    const auto note = [&](Table& table, const std::string& text) {
        LastRule& last = table[text];
        (pattern.is_directory_only ? last.directory : last.any_kind) = position;
    };
    if (!pattern.is_anchored && components[0].kind == Component::Kind::suffix) {
        const std::string& suffix = components[0].literal;
        if (std::find(suffix_sizes_.begin(), suffix_sizes_.end(), suffix.size()) ==
            suffix_sizes_.end())
            suffix_sizes_.push_back(suffix.size());
        return note(suffixes_, suffix);
    }
    std::string path;
    for (const Component& component : components) {
        if (component.kind != Component::Kind::literal) {
            wildcard_rules_.push_back({.position = position, .pattern = std::move(pattern)});
            return;
        }
        path.append(path.empty() ? "" : "/").append(component.literal);
    }
    note(pattern.is_anchored ? paths_ : names_, path);
}

std::uint32_t ExcludeRules::find_last(const Table& table, std::string_view text, EntryKind kind) {
    if (table.empty()) return 0;
    const auto found = table.find(text);
    if (found == table.end()) return 0;
    const LastRule& last = found->second;
    return kind == EntryKind::directory ? std::max(last.any_kind, last.directory) : last.any_kind;
}

std::uint32_t ExcludeRules::find_last_suffix(std::string_view name, EntryKind kind) const {
    std::uint32_t last = 0;
    for (const std::size_t size : suffix_sizes_) {
        if (size > name.size()) continue;
        last = std::max(last, find_last(suffixes_, name.substr(name.size() - size), kind));
    }
    return last;
}

std::uint32_t ExcludeRules::find_last_wildcard(std::string_view path,
                                               std::string_view name,
                                               EntryKind kind,
                                               std::uint32_t after) const {
    for (auto rule = wildcard_rules_.rbegin(); rule != wildcard_rules_.rend(); ++rule) {
        if (rule->position < after) break;
        const Pattern& pattern = rule->pattern;
        if (pattern.is_directory_only && kind != EntryKind::directory) continue;
        const bool is_match = pattern.is_anchored ? components_match(pattern.components, path)
                                                  : pattern.components[0].matches(name);
        if (is_match) return rule->position;
    }
    return after;
}

ExcludeRules::Match ExcludeRules::match(std::string_view path, EntryKind kind) const {
    std::uint32_t last = find_last(paths_, path, kind);
    if (!path.empty()) {
        const std::string_view name = path.substr(path.rfind('/') + 1);
        last = std::max(last, find_last(names_, name, kind));
        last = std::max(last, find_last_suffix(name, kind));
        last = find_last_wildcard(path, name, kind, last);
    }
    return last == 0 ? Match::none : outcomes_[last - 1];
}

}  // namespace holdfast
