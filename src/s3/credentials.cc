#include "s3/credentials.h"

#include <nlohmann/json.hpp>

#include "base/backoff.h"
#include "base/file_io.h"
#include "crypto/secret.h"
#include "http/http_client.h"

namespace holdfast {
namespace {

constexpr TimeNs refresh_before = 300 * ns_per_second;
// Where that fails and what is known is still good.
constexpr TimeNs refresh_again = 20 * ns_per_second;
constexpr std::size_t max_file_bytes = 1u << 20;

std::string_view trim(std::string_view text) {
    constexpr std::string_view blanks = " \t\r";
    text.remove_prefix(std::min(text.size(), text.find_first_not_of(blanks)));
    return text.substr(0, text.find_last_not_of(blanks) + 1);
}

// What a service of the machine answers: not through a proxy, and soon.
Result<HttpResponse> ask_machine_once(const std::string& method,
                                      const std::string& url,
                                      std::vector<HttpHeader> headers,
                                      const std::stop_token& stop) {
    HttpOptions options;
    options.connect_seconds = 2;
    options.stall_seconds = 5;
    options.use_proxy = false;
    options.stop = stop;
    HF_TRY(const auto client, HttpClient::open(options));
    HttpRequest request;
    request.method = method;
    request.url = url;
    request.headers = std::move(headers);
    request.limit_bytes = 64 << 10;
    return client->perform(std::move(request));
}

// A service that is there, and has a bad moment, is asked three times. One that cannot be reached is none, as a rule.
Result<HttpResponse> ask_machine(const std::string& method,
                                 const std::string& url,
                                 const std::vector<HttpHeader>& headers,
                                 const std::stop_token& stop) {
    Backoff backoff({.longest = ns_per_second}, system_clock(), system_random());
    for (int tries = 1;; ++tries) {
        auto response = ask_machine_once(method, url, headers, stop);
        if (!response.ok() || response->status < 500 || tries == 3 || !backoff.wait(stop)) return response;
    }
}

Result<std::string> text_of(const Result<HttpResponse>& response, const std::string& what) {
    if (!response.ok()) return response.error();
    if (!response->is_success())
        return Error(ErrorCode::unavailable, what + " answers " + std::to_string(response->status));
    return std::string(as_text(response->body));
}

}  // namespace

S3Credentials::~S3Credentials() {
    wipe(secret_key);
    wipe(session_token);
}

std::optional<S3Credentials> parse_profile(std::string_view text, const std::string& profile) {
    S3Credentials found;
    bool is_here = false;
    while (!text.empty()) {
        std::string_view line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(text.size(), line.size() + 1));
        line = trim(line);
        if (line.empty() || line.front() == '#' || line.front() == ';') continue;
        if (line.front() == '[') {
            is_here = trim(line.substr(1, line.find(']') - 1)) == profile;
            continue;
        }
        const std::size_t equals = line.find('=');
        if (!is_here || equals == std::string_view::npos) continue;
        const std::string_view name = trim(line.substr(0, equals)), value = trim(line.substr(equals + 1));
        if (name == "aws_access_key_id") found.access_key = value;
        if (name == "aws_secret_access_key") found.secret_key = value;
        if (name == "aws_session_token") found.session_token = value;
    }
    if (found.access_key.empty() || found.secret_key.empty()) return std::nullopt;
    return found;
}

Result<S3Credentials> parse_metadata_credentials(std::string_view text) {
    const Error damaged(ErrorCode::corrupt, "the metadata service answers no credentials");
    const auto document = nlohmann::json::parse(text, nullptr, false);
    if (!document.is_object()) return damaged;
    const auto member = [&document](const char* name) {
        const auto found = document.find(name);
        return found != document.end() && found->is_string() ? found->get<std::string>() : std::string();
    };
    S3Credentials credentials;
    credentials.access_key = member("AccessKeyId");
    credentials.secret_key = member("SecretAccessKey");
    credentials.session_token = member("Token");
    if (credentials.access_key.empty() || credentials.secret_key.empty()) return damaged;
    if (const std::string expires = member("Expiration"); !expires.empty()) {
        HF_TRY(credentials.expires, parse_rfc3339(expires));
    }
    return credentials;
}

void S3CredentialSource::forget() {
    const std::lock_guard lock(mutex_);
    known_.reset();
}

Result<S3Credentials> S3CredentialSource::get() {
    const std::lock_guard lock(mutex_);
    const TimeNs now = clock_.now();
    if (known_ && (!known_->expires || *known_->expires - now > refresh_before)) return *known_;
    const bool is_good = known_ && *known_->expires > now;
    if (is_good && now < find_again_) return *known_;
    auto found = find();
    if (found.ok()) known_ = *found;
    if (found.ok() || !is_good) return found;
    find_again_ = now + refresh_again;
    return *known_;
}

Result<S3Credentials> S3CredentialSource::find() {
    const auto access_key = environment_("AWS_ACCESS_KEY_ID"), secret_key = environment_("AWS_SECRET_ACCESS_KEY");
    if (access_key.has_value() != secret_key.has_value())
        return Error(ErrorCode::permission_denied, "one of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY is not set");
    if (access_key) {
        S3Credentials credentials;
        credentials.access_key = *access_key;
        credentials.secret_key = *secret_key;
        credentials.session_token = environment_("AWS_SESSION_TOKEN").value_or("");
        return credentials;
    }
    using Way = Result<std::optional<S3Credentials>> (S3CredentialSource::*)();
    for (const Way way : {&S3CredentialSource::from_profile, &S3CredentialSource::from_container,
                          &S3CredentialSource::from_machine}) {
        HF_TRY(auto credentials, (this->*way)());
        if (credentials) return std::move(*credentials);
    }
    return Error(ErrorCode::permission_denied,
                 "no credentials for S3: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE");
}

Result<std::optional<S3Credentials>> S3CredentialSource::from_profile() {
    const auto profile = environment_("AWS_PROFILE");
    const std::string path = environment_("AWS_SHARED_CREDENTIALS_FILE")
                                 .value_or(environment_("HOME").value_or("") + "/.aws/credentials");
    auto data = read_file(path, max_file_bytes);
    std::optional<S3Credentials> found;
    if (data.ok()) {
        found = parse_profile(as_text(*data), profile.value_or("default"));
        wipe(*data);
    }
    // What is asked for by name must be there.
    if (profile && !found)
        return Error(ErrorCode::permission_denied, path + ": no credentials of the profile '" + *profile + "'");
    return found;
}

Result<std::optional<S3Credentials>> S3CredentialSource::from_container() {
    std::string url;
    if (const auto relative = environment_("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"))
        url = "http://169.254.170.2" + *relative;
    else if (const auto full = environment_("AWS_CONTAINER_CREDENTIALS_FULL_URI"))
        url = *full;
    else
        return std::optional<S3Credentials>();
    std::vector<HttpHeader> headers;
    if (const auto token = environment_("AWS_CONTAINER_AUTHORIZATION_TOKEN"))
        headers.push_back({"Authorization", *token});
    HF_TRY(std::string text, text_of(ask_machine("GET", url, std::move(headers), stop_), url));
    auto credentials = parse_metadata_credentials(text);
    wipe(text);
    if (!credentials.ok()) return std::move(credentials).error();
    return std::optional(std::move(credentials).value());
}

Result<std::optional<S3Credentials>> S3CredentialSource::from_machine() {
    if (environment_("AWS_EC2_METADATA_DISABLED").value_or("") == "true") return std::optional<S3Credentials>();
    const std::string base =
        environment_("AWS_EC2_METADATA_SERVICE_ENDPOINT").value_or("http://169.254.169.254") + "/latest";
    const auto token = ask_machine("PUT", base + "/api/token",
                                   {{"X-aws-ec2-metadata-token-ttl-seconds", "300"}}, stop_);
    // No such machine.
    if (!token.ok() || (!token->is_success() && token->status < 500)) return std::optional<S3Credentials>();
    if (!token->is_success())
        return Error(ErrorCode::unavailable, "the metadata service answers " + std::to_string(token->status));
    const std::vector<HttpHeader> headers{{"X-aws-ec2-metadata-token", std::string(as_text(token->body))}};
    const std::string roles = base + "/meta-data/iam/security-credentials/";
    const auto role = ask_machine("GET", roles, headers, stop_);
    // A machine without a role.
    if (role.ok() && role->status == 404) return std::optional<S3Credentials>();
    HF_TRY(const std::string names, text_of(role, "the metadata service"));
    HF_TRY(std::string text, text_of(ask_machine("GET", roles + names.substr(0, names.find('\n')), headers, stop_),
                                     "the metadata service"));
    auto credentials = parse_metadata_credentials(text);
    wipe(text);
    if (!credentials.ok()) return std::move(credentials).error();
    return std::optional(std::move(credentials).value());
}

}  // namespace holdfast
