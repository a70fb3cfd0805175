#include "s3/signature.h"

#include <algorithm>

#include "crypto/secret.h"
#include "crypto/sha256.h"

namespace holdfast {
namespace {

// 20130524T000000Z
std::string compact_time(TimeNs now) {
    const std::string text = format_rfc3339(now - now % ns_per_second);
    std::string compact;
    for (const char c : text)
        if (c != '-' && c != ':') compact += c;
    return compact;
}

// Blanks at the ends do not count, and several are one.
std::string trimmed(const std::string& value) {
    std::string result;
    for (const char c : value) {
        if ((c == ' ' || c == '\t') && (result.empty() || result.back() == ' ')) continue;
        result += c == '\t' ? ' ' : c;
    }
    while (!result.empty() && result.back() == ' ') result.pop_back();
    return result;
}

}  // namespace

std::vector<HttpHeader> sign(const UnsignedRequest& request,
                             const S3Credentials& credentials,
                             const std::string& region,
                             TimeNs now) {
    const std::string time = compact_time(now), day = time.substr(0, 8);
    std::vector<HttpHeader> headers = request.headers;
    headers.push_back({"x-amz-date", time});
    headers.push_back({"x-amz-content-sha256", request.payload_sha256});
    if (!credentials.session_token.empty())
        headers.push_back({"x-amz-security-token", credentials.session_token});

    std::vector<HttpHeader> to_sign = headers;
    to_sign.push_back({"host", request.host});
    std::sort(to_sign.begin(), to_sign.end(),
              [](const HttpHeader& a, const HttpHeader& b) { return a.name < b.name; });
    std::string lines, names;
    for (const HttpHeader& header : to_sign) {
        lines += header.name + ':' + trimmed(header.value) + '\n';
        names += (names.empty() ? "" : ";") + header.name;
    }
    const std::string canonical = request.method + '\n' + request.path + '\n' + encode_query(request.query) + '\n' +
                                  lines + '\n' + names + '\n' + request.payload_sha256;
    const std::string scope = day + '/' + region + "/s3/aws4_request";
    const std::string text = "AWS4-HMAC-SHA256\n" + time + '\n' + scope + '\n' + to_hex(sha256(as_bytes(canonical)));

    std::string seed = "AWS4" + credentials.secret_key;
    auto key = hmac_sha256(as_bytes(seed), as_bytes(day));
    wipe(seed);
    for (const std::string_view part : {std::string_view(region), std::string_view("s3"), std::string_view("aws4_request")})
        key = hmac_sha256(key, as_bytes(part));
    const std::string signature = to_hex(hmac_sha256(key, as_bytes(text)));
    wipe(key);
    headers.push_back({"Authorization", "AWS4-HMAC-SHA256 Credential=" + credentials.access_key + '/' + scope +
                                            ",SignedHeaders=" + names + ",Signature=" + signature});
    return headers;
}

}  // namespace holdfast
