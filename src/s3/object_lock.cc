#include "s3/object_lock.h"

#include <algorithm>

#include "crypto/sha256.h"

namespace holdfast {
namespace {

constexpr const char *mode_header = "x-amz-object-lock-mode", *until_header = "x-amz-object-lock-retain-until-date",
                     *hold_header = "x-amz-object-lock-legal-hold";
constexpr std::string_view hold_text = "legal hold";

std::string mode_name(VersionLock::Mode mode) {
    return mode == VersionLock::Mode::compliance ? "COMPLIANCE" : "GOVERNANCE";
}

VersionLock::Mode mode_of(std::string_view name) {
    if (name == "COMPLIANCE") return VersionLock::Mode::compliance;
    return name == "GOVERNANCE" ? VersionLock::Mode::governance : VersionLock::Mode::none;
}

// Services take whole seconds; never less than was asked for.
std::string time_text(TimeNs time) {
    return format_rfc3339((time + ns_per_second - 1) / ns_per_second * ns_per_second);
}

Status put_part(S3Client& client,
                const std::string& key,
                const std::string& version,
                const char* what,
                const std::string& body) {
    S3Request put;
    put.method = "PUT";
    put.key = key;
    put.query = {{what, ""}, {"versionId", version}};
    put.body = as_bytes(body);
    // Asked for with a lock, whatever else the request is signed with.
    put.headers.push_back({"content-md5", to_base64(md5(put.body))});
    HF_TRY_STATUS(client.call(std::move(put)));
    return {};
}

}  // namespace

Result<VersionLock> lock_in(const HttpResponse& response) {
    VersionLock lock;
    lock.has_legal_hold = response.header(hold_header).value_or("") == "ON";
    lock.mode = mode_of(response.header(mode_header).value_or(""));
    if (lock.mode == VersionLock::Mode::none) return lock;
    HF_TRY(lock.until, parse_rfc3339(response.header(until_header).value_or("")));
    return lock;
}

std::vector<HttpHeader> lock_headers(const VersionLock& lock, TimeNs now) {
    std::vector<HttpHeader> headers;
    if (lock.mode != VersionLock::Mode::none && lock.until > now) {
        headers.push_back({mode_header, mode_name(lock.mode)});
        headers.push_back({until_header, time_text(lock.until)});
    }
    if (lock.has_legal_hold) headers.push_back({hold_header, "ON"});
    return headers;
}

VersionLock lock_to_add(const VersionLock& present, const VersionLock& lock, TimeNs now) {
    VersionLock added;
    added.has_legal_hold = lock.has_legal_hold && !present.has_legal_hold;
    const TimeNs has_until = present.mode == VersionLock::Mode::none ? 0 : present.until;
    const bool is_longer = lock.until > has_until, is_stronger = lock.mode > present.mode;
    if (lock.mode == VersionLock::Mode::none || lock.until <= now || !(is_longer || is_stronger)) return added;
    added.mode = std::max(lock.mode, present.mode);
    added.until = std::max(lock.until, has_until);
    return added;
}

Status put_lock(S3Client& client, const std::string& key, const std::string& version, const VersionLock& lock) {
    if (lock.mode != VersionLock::Mode::none)
        HF_TRY_STATUS(put_part(client, key, version, "retention",
                               "<Retention><Mode>" + mode_name(lock.mode) + "</Mode><RetainUntilDate>" +
                                   time_text(lock.until) + "</RetainUntilDate></Retention>"));
    if (lock.has_legal_hold)
        HF_TRY_STATUS(put_part(client, key, version, "legal-hold", "<LegalHold><Status>ON</Status></LegalHold>"));
    return {};
}

std::string describe_lock(const VersionLock& lock) {
    std::string text;
    if (lock.mode != VersionLock::Mode::none) text = mode_name(lock.mode) + ' ' + format_rfc3339(lock.until);
    if (lock.has_legal_hold) text += (text.empty() ? "" : ", ") + std::string(hold_text);
    return text;
}

VersionLock parse_lock(const std::string& text) {
    VersionLock lock;
    lock.has_legal_hold = text.ends_with(hold_text);
    lock.mode = mode_of(text.substr(0, text.find(' ')));
    if (lock.mode == VersionLock::Mode::none) return lock;
    const std::string rest = text.substr(text.find(' ') + 1);
    const auto until = parse_rfc3339(rest.substr(0, rest.find(',')));
    if (until.ok()) lock.until = *until;
    else lock.mode = VersionLock::Mode::none;
    return lock;
}

}  // namespace holdfast
