#include "http/url.h"

#include <algorithm>

#include "base/bytes.h"

namespace holdfast {
namespace {

bool is_unreserved(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.' || c == '~';
}

}  // namespace

std::string percent_encode(std::string_view text, Slash slash) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    std::string encoded;
    encoded.reserve(text.size());
    for (const char c : text) {
        if (is_unreserved(c) || (c == '/' && slash == Slash::keep)) {
            encoded += c;
            continue;
        }
        const auto byte = static_cast<unsigned char>(c);
        encoded += '%';
        encoded += digits[byte >> 4];
        encoded += digits[byte & 15];
    }
    return encoded;
}

Result<std::string> percent_decode(std::string_view text) {
    std::string decoded;
    decoded.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            decoded += text[i];
            continue;
        }
        const Bytes byte = from_hex(text.substr(i + 1, 2));
        if (byte.size() != 1)
            return Error(ErrorCode::invalid_argument, "'%' without two hexadecimal digits in a URL");
        decoded += static_cast<char>(byte[0]);
        i += 2;
    }
    return decoded;
}

std::string encode_query(const QueryParameters& query) {
    std::vector<std::pair<std::string, std::string>> encoded;
    for (const auto& [name, value] : query)
        encoded.emplace_back(percent_encode(name, Slash::encode), percent_encode(value, Slash::encode));
    std::sort(encoded.begin(), encoded.end());
    std::string text;
    for (const auto& [name, value] : encoded) {
        if (!text.empty()) text += '&';
        text += name + '=' + value;
    }
    return text;
}

Result<QueryParameters> parse_query(std::string_view text) {
    QueryParameters query;
    while (!text.empty()) {
        const std::string_view parameter = text.substr(0, text.find('&'));
        text.remove_prefix(std::min(text.size(), parameter.size() + 1));
        if (parameter.empty()) continue;
        const std::size_t equals = parameter.find('=');
        HF_TRY(std::string name, percent_decode(parameter.substr(0, equals)));
        std::string value;
        if (equals != std::string_view::npos) {
            HF_TRY(value, percent_decode(parameter.substr(equals + 1)));
        }
        query.emplace_back(std::move(name), std::move(value));
    }
    return query;
}

Result<Url> parse_url(std::string_view text) {
    Url url;
    const std::size_t colon = text.find("://");
    if (colon == std::string_view::npos)
        return Error(ErrorCode::invalid_argument, "not a URL: '" + std::string(text) + "'");
    url.scheme = text.substr(0, colon);
    if (url.scheme != "http" && url.scheme != "https")
        return Error(ErrorCode::invalid_argument, "neither http nor https: '" + url.scheme + ":'");
    text.remove_prefix(colon + 3);
    url.authority = text.substr(0, text.find_first_of("/?#"));
    text.remove_prefix(url.authority.size());
    if (url.authority.find('@') != std::string::npos)
        return Error(ErrorCode::invalid_argument,
                     "a URL with a user or a password: both would be seen by everybody on this machine");
    const bool is_plain = std::all_of(url.authority.begin(), url.authority.end(), [](char c) {
        return is_unreserved(c) || c == ':' || c == '[' || c == ']';
    });
    if (url.authority.empty() || !is_plain)
        return Error(ErrorCode::invalid_argument, "a URL without a valid host");
    text = text.substr(0, text.find('#'));
    const std::size_t question = text.find('?');
    HF_TRY(url.path, percent_decode(text.substr(0, question)));
    if (question != std::string_view::npos) {
        HF_TRY(url.query, parse_query(text.substr(question + 1)));
    }
    return url;
}

std::string without_password(std::string_view text) {
    std::string shown(text.substr(0, text.find('?')));
    if (shown.size() < text.size()) shown += "?...";
    const std::size_t at = shown.rfind('@');
    if (at == std::string::npos) return shown;
    const std::size_t scheme = shown.find("://");
    const std::size_t begin = scheme == std::string::npos || scheme > at ? 0 : scheme + 3;
    return shown.substr(0, begin) + "..." + shown.substr(at);
}

}  // namespace holdfast
