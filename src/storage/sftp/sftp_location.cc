#include "storage/sftp/sftp_location.h"

#include <algorithm>
#include <charconv>

#include "http/url.h"

namespace holdfast {
namespace {

// The text may hold a password: no message repeats it.
Error malformed(const std::string& what) {
    return {ErrorCode::invalid_argument,
            "not an SFTP repository: " + what + " (sftp://[USER@]HOST[:PORT]/PATH or sftp:[USER@]HOST:PATH)"};
}

Error has_password() {
    return {ErrorCode::invalid_argument,
            "a password does not belong into the name of a repository: SFTP repositories are opened by SSH keys"};
}

bool is_letter_or_digit(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

// Names go into the command lines of ProxyCommand: nothing that a shell or ssh takes for something else.
bool is_plain(std::string_view text, std::string_view besides) {
    return !text.empty() && text.front() != '-' && std::all_of(text.begin(), text.end(), [besides](char c) {
        return is_letter_or_digit(c) || besides.find(c) != std::string_view::npos;
    });
}

Status set_user(SftpLocation& location, std::string_view user) {
    if (user.find(':') != std::string_view::npos) return has_password();
    if (!is_plain(user, "._-+@")) return malformed("the user's name");
    location.user = user;
    return {};
}

Status set_host(SftpLocation& location, std::string_view host) {
    if (host.starts_with('[') && host.ends_with(']')) {
        host = host.substr(1, host.size() - 2);
        if (!is_plain(host, ":.%") || host.find(':') == std::string_view::npos) return malformed("the address");
    } else if (!is_plain(host, "._-")) {
        return malformed("the host's name");
    }
    location.host = host;
    return {};
}

Status set_port(SftpLocation& location, std::string_view port) {
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), location.port);
    if (error != std::errc{} || end != port.data() + port.size() || location.port == 0) return malformed("the port");
    return {};
}

Status set_path(SftpLocation& location, std::string path) {
    if (path.find('\0') != std::string::npos) return malformed("the path");
    while (path.size() > 1 && path.ends_with('/')) path.pop_back();
    location.path = std::move(path);
    return {};
}

// Below the home directory: what follows '~'.
Status set_path_at_home(SftpLocation& location, std::string path) {
    path.erase(0, path.find_first_not_of('/'));
    return set_path(location, std::move(path));
}

// Where the host ends: before the first ':' that is not in brackets, or at the end.
std::size_t end_of_host(std::string_view text) {
    const std::size_t from = text.starts_with('[') ? std::min(text.find(']'), text.size()) : 0;
    return std::min(text.find(':', from), text.size());
}

// HOST:PATH, after the user.
Result<SftpLocation> parse_short(std::string_view text) {
    SftpLocation location;
    std::string_view rest = text;
    const std::size_t colon = end_of_host(text);
    // USER:PASSWORD@HOST:PATH, rather than a path with both in it.
    const std::size_t last_at = text.rfind('@');
    if (last_at != std::string_view::npos && last_at > colon && text.find(':', last_at) != std::string_view::npos)
        return has_password();
    const std::size_t at = text.substr(0, colon).rfind('@');
    if (at != std::string_view::npos) {
        HF_TRY_STATUS(set_user(location, text.substr(0, at)));
        rest = text.substr(at + 1);
    }
    const std::size_t end = end_of_host(rest);
    if (end == rest.size()) return malformed("the path is missing");
    HF_TRY_STATUS(set_host(location, rest.substr(0, end)));
    std::string path(rest.substr(end + 1));
    const bool is_at_home = path == "~" || path.starts_with("~/");
    HF_TRY_STATUS(is_at_home ? set_path_at_home(location, path.substr(1)) : set_path(location, std::move(path)));
    return location;
}

}  // namespace

std::string SftpLocation::path_of(const std::string& name) const {
    if (name.empty()) return path.empty() ? "." : path;
    if (path.empty()) return name;
    return path.ends_with('/') ? path + name : path + '/' + name;
}

std::string SftpLocation::description() const {
    std::string text = "sftp://";
    if (!user.empty()) text += user + '@';
    text += host.find(':') == std::string::npos ? host : '[' + host + ']';
    if (port != 0) text += ':' + std::to_string(port);
    // A '~' that is a name.
    if (path == "/~" || path.starts_with("/~/")) return text + "/%7E" + percent_encode(path.substr(2), Slash::keep);
    return text + (path.starts_with('/') ? "" : path.empty() ? "/~" : "/~/") + percent_encode(path, Slash::keep);
}

Result<SftpLocation> parse_sftp_location(std::string_view text) {
    if (!text.starts_with("//")) return parse_short(text);
    text.remove_prefix(2);
    const std::size_t slash = text.find('/');
    if (slash == std::string_view::npos) return malformed("the path is missing");
    SftpLocation location;
    std::string_view authority = text.substr(0, slash);
    if (const std::size_t at = authority.rfind('@'); at != std::string_view::npos) {
        HF_TRY_STATUS(set_user(location, authority.substr(0, at)));
        authority.remove_prefix(at + 1);
    }
    const std::size_t end = end_of_host(authority);
    HF_TRY_STATUS(set_host(location, authority.substr(0, end)));
    if (end != authority.size()) HF_TRY_STATUS(set_port(location, authority.substr(end + 1)));
    const std::string_view encoded = text.substr(slash);
    const auto path = percent_decode(encoded);
    if (!path.ok()) return malformed("the path");
    const bool is_at_home = encoded == "/~" || encoded.starts_with("/~/");
    HF_TRY_STATUS(is_at_home ? set_path_at_home(location, path->substr(2)) : set_path(location, *path));
    return location;
}

}  // namespace holdfast
