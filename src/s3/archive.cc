#include "s3/archive.h"

#include <algorithm>
#include <array>

#include "http/http_date.h"

namespace holdfast {
namespace {

constexpr std::array<std::string_view, 3> archive_classes{"GLACIER", "DEEP_ARCHIVE", "COLD"};
constexpr std::string_view tiering_class = "INTELLIGENT_TIERING";

// Huawei OBS has its own prefix when it is asked in its own way.
std::optional<std::string> header_of(const HttpResponse& response, const std::string& name) {
    const auto amazon = response.header("x-amz-" + name);
    return amazon ? amazon : response.header("x-obs-" + name);
}

void skip(std::string_view& text, std::string_view characters) {
    text.remove_prefix(std::min(text.size(), text.find_first_not_of(characters)));
}

// NAME="VALUE" at the beginning of `text`, which is taken from it.
std::optional<std::pair<std::string_view, std::string_view>> take_pair(std::string_view& text) {
    const std::size_t opening = text.find("=\"");
    if (opening == std::string_view::npos) return std::nullopt;
    const std::size_t begin = opening + 2, closing = text.find('"', begin);
    if (closing == std::string_view::npos) return std::nullopt;
    const std::pair pair(text.substr(0, opening), text.substr(begin, closing - begin));
    text.remove_prefix(closing + 1);
    return pair;
}

std::string_view name_of(RestoreTier tier) {
    switch (tier) {
        case RestoreTier::expedited: return "Expedited";
        case RestoreTier::standard: return "Standard";
        case RestoreTier::bulk: return "Bulk";
    }
    return "Standard";
}

}  // namespace

bool is_archive_class(std::string_view storage_class) {
    return std::ranges::find(archive_classes, storage_class) != archive_classes.end();
}

bool may_be_archived(std::string_view storage_class) {
    return is_archive_class(storage_class) || storage_class == tiering_class;
}

Result<RestoreHeader> parse_restore_header(std::string_view text) {
    const Error unknown(ErrorCode::unsupported,
                        "the service says of a restore from an archive class: '" + std::string(text) + "'");
    RestoreHeader header;
    bool says_whether = false;
    for (skip(text, " "); !text.empty(); skip(text, ", ")) {
        const auto pair = take_pair(text);
        if (!pair) return unknown;
        const auto& [name, value] = *pair;
        if (name == "ongoing-request") {
            if (value != "true" && value != "false") return unknown;
            header.is_ongoing = value == "true";
            says_whether = true;
        } else if (name == "expiry-date") {
            header.expiry = parse_http_date(std::string(value));
            if (!header.expiry) return unknown;
        }
    }
    if (!says_whether) return unknown;
    return header;
}

Result<ArchiveState> archive_state_of(const HttpResponse& response) {
    ArchiveState state;
    state.is_tiered = header_of(response, "archive-status").has_value();
    state.is_archived = state.is_tiered || is_archive_class(header_of(response, "storage-class").value_or(""));
    if (const auto restore = header_of(response, "restore")) {
        HF_TRY(state.restore, parse_restore_header(*restore));
    }
    return state;
}

std::string restore_request_body(RestoreTier tier, unsigned days) {
    const std::string kept = days == 0 ? "" : "<Days>" + std::to_string(days) + "</Days>";
    return "<RestoreRequest xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">" + kept + "<GlacierJobParameters><Tier>" +
           std::string(name_of(tier)) + "</Tier></GlacierJobParameters></RestoreRequest>";
}

}  // namespace holdfast
