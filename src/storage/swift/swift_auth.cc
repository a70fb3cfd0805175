#include "storage/swift/swift_auth.h"

#include <map>
#include <nlohmann/json.hpp>

#include "crypto/secret.h"
#include "http/retried_call.h"
#include "http/url.h"

namespace holdfast {
namespace {

using Json = nlohmann::json;

constexpr TimeNs refresh_before = 300 * ns_per_second;
// A catalog names every service of a cloud in every region.
constexpr std::uint64_t max_answer_bytes = 4u << 20;

Error not_set(const std::string& variables) {
    return {ErrorCode::permission_denied, "credentials of Swift are not complete: set " + variables};
}

// A member of an object; nothing of anything else.
const Json* member(const Json* value, const char* name) {
    if (value == nullptr || !value->is_object()) return nullptr;
    const auto found = value->find(name);
    return found == value->end() ? nullptr : &*found;
}

std::string text_member(const Json* value, const char* name) {
    const Json* const found = member(value, name);
    return found != nullptr && found->is_string() ? found->get<std::string>() : std::string();
}

// What is not of an array has no elements.
const Json& elements_of(const Json* value) {
    static const Json none = Json::array();
    return value != nullptr && value->is_array() ? *value : none;
}

Result<std::string> checked_storage_url(std::string url, const std::string& from) {
    const auto parsed = parse_url(url);
    if (!parsed.ok() || !parsed->query.empty())
        return Error(ErrorCode::corrupt, from + " names no place for objects");
    while (url.ends_with('/')) url.pop_back();
    return url;
}

// {"id": ID}, or {"name": NAME, "domain": {...}} with the variables PREFIX_ID, PREFIX_NAME, PREFIX_DOMAIN_....
std::optional<Json> identified(const Environment& environment, const std::string& id, const std::string& name,
                               const std::string& domain) {
    if (const auto known = environment(id)) return Json{{"id", *known}};
    const auto named = environment(name);
    if (!named) return std::nullopt;
    const auto domain_id = environment(domain + "_ID");
    const Json within = domain_id ? Json{{"id", *domain_id}}
                                  : Json{{"name", environment(domain + "_NAME").value_or("Default")}};
    return Json{{"name", *named}, {"domain", within}};
}

Status check_answer(const HttpResponse& response, const std::string& url) {
    if (response.is_success()) return {};
    const ErrorCode code = error_code_of_status(response.status);
    if (code == ErrorCode::permission_denied) return Error(code, url + " refuses these credentials");
    return Error(code, url + " answers " + std::to_string(response.status) + " when it is asked for a token");
}

}  // namespace

SwiftAccess::~SwiftAccess() {
    wipe(token);
}

Result<std::string> keystone_tokens_url(std::string_view auth_url) {
    while (auth_url.ends_with('/')) auth_url.remove_suffix(1);
    HF_TRY(const Url url, parse_url(auth_url));
    if (url.path.ends_with("/v2.0") || url.path.ends_with("/v2"))
        return Error(ErrorCode::unsupported, "OS_AUTH_URL is of version 2 of the identity service: version 3 is needed");
    return std::string(auth_url) + (url.path.ends_with("/v3") ? "/auth/tokens" : "/v3/auth/tokens");
}

Result<std::string> keystone_request(const Environment& environment) {
    Json identity, auth;
    if (const auto id = environment("OS_APPLICATION_CREDENTIAL_ID")) {
        auto secret = environment("OS_APPLICATION_CREDENTIAL_SECRET");
        if (!secret) return not_set("OS_APPLICATION_CREDENTIAL_SECRET");
        // Such a credential is of one project by itself.
        identity = {{"methods", {"application_credential"}},
                    {"application_credential", {{"id", *id}, {"secret", *secret}}}};
        wipe(*secret);
        auth = {{"identity", std::move(identity)}};
    } else {
        auto user = identified(environment, "OS_USER_ID", "OS_USERNAME", "OS_USER_DOMAIN");
        auto password = environment("OS_PASSWORD");
        const auto project = identified(environment, "OS_PROJECT_ID", "OS_PROJECT_NAME", "OS_PROJECT_DOMAIN");
        if (!user || !password || !project)
            return not_set("OS_USERNAME, OS_PASSWORD and OS_PROJECT_NAME, or OS_APPLICATION_CREDENTIAL_ID");
        (*user)["password"] = *password;
        wipe(*password);
        identity = {{"methods", {"password"}}, {"password", {{"user", std::move(*user)}}}};
        auth = {{"identity", std::move(identity)}, {"scope", {{"project", *project}}}};
    }
    // What is no UTF-8 is replaced, and refused by the service: it cannot be said in JSON.
    return Json{{"auth", std::move(auth)}}.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<KeystoneAnswer> parse_keystone_answer(std::string_view text, const std::string& region) {
    const Json document = Json::parse(text, nullptr, false);
    const Json* const token = member(&document, "token");
    if (token == nullptr || !token->is_object())
        return Error(ErrorCode::corrupt, "the identity service answers no token");
    KeystoneAnswer answer;
    if (const std::string expires = text_member(token, "expires_at"); !expires.empty()) {
        HF_TRY(answer.expires, parse_rfc3339(expires));
    }
    std::map<std::string, std::string> found;  // by region
    for (const Json& service : elements_of(member(token, "catalog"))) {
        if (text_member(&service, "type") != "object-store") continue;
        for (const Json& endpoint : elements_of(member(&service, "endpoints"))) {
            if (text_member(&endpoint, "interface") != "public") continue;
            std::string of = text_member(&endpoint, "region_id");
            if (of.empty()) of = text_member(&endpoint, "region");
            if (region.empty() || of == region) found.emplace(std::move(of), text_member(&endpoint, "url"));
        }
    }
    if (found.empty())
        return Error(ErrorCode::not_found, "the identity service names no public object store" +
                                               (region.empty() ? "" : " in region '" + region + '\''));
    if (found.size() > 1) {
        std::string regions;
        for (const auto& [name, url] : found) regions += (regions.empty() ? "" : ", ") + name;
        return Error(ErrorCode::invalid_argument, "there are object stores in several regions (" + regions +
                                                      "): set OS_REGION_NAME");
    }
    HF_TRY(answer.storage_url, checked_storage_url(found.begin()->second, "the identity service"));
    return answer;
}

bool SwiftAuth::renew(const std::string& refused_token) {
    const std::lock_guard lock(mutex_);
    // Another thread has been here before.
    if (!known_ || known_->token != refused_token) return true;
    if (environment_("OS_AUTH_TOKEN") == refused_token) return false;
    known_.reset();
    return true;
}

Result<SwiftAccess> SwiftAuth::get() {
    const std::lock_guard lock(mutex_);
    if (known_ && (!known_->expires || *known_->expires - clock_.now() > refresh_before)) return *known_;
    HF_TRY(SwiftAccess found, find());
    known_ = found;
    return found;
}

Result<SwiftAccess> SwiftAuth::find() {
    const auto storage_url = environment_("OS_STORAGE_URL"), token = environment_("OS_AUTH_TOKEN");
    if (storage_url && token) {
        SwiftAccess access;
        HF_TRY(access.storage_url, checked_storage_url(*storage_url, "OS_STORAGE_URL"));
        access.token = *token;
        return access;
    }
    if (const auto url = environment_("ST_AUTH")) return ask_v1(*url);
    if (const auto url = environment_("OS_AUTH_URL")) return ask_keystone(*url);
    return Error(ErrorCode::permission_denied,
                 "no credentials for Swift: set OS_AUTH_URL and what belongs to it, ST_AUTH, ST_USER and ST_KEY, or "
                 "OS_STORAGE_URL and OS_AUTH_TOKEN");
}

Result<SwiftAccess> SwiftAuth::ask_v1(const std::string& url) {
    const auto user = environment_("ST_USER"), key = environment_("ST_KEY");
    if (!user || !key) return not_set("ST_AUTH, ST_USER and ST_KEY");
    HF_TRY_STATUS(parse_url(url));
    HttpRequest request;
    request.url = url;
    request.headers = {{"X-Auth-User", *user}, {"X-Auth-Key", *key}};
    HF_TRY(const HttpResponse response, http_.perform(std::move(request)));
    HF_TRY_STATUS(check_answer(response, url));
    SwiftAccess access;
    access.token = response.header("x-auth-token").value_or(response.header("x-storage-token").value_or(""));
    if (access.token.empty()) return Error(ErrorCode::corrupt, url + " answers no token");
    const auto wanted = environment_("OS_STORAGE_URL");
    HF_TRY(access.storage_url,
           checked_storage_url(wanted.value_or(response.header("x-storage-url").value_or("")), url));
    return access;
}

Result<SwiftAccess> SwiftAuth::ask_keystone(const std::string& auth_url) {
    HF_TRY(const std::string url, keystone_tokens_url(auth_url));
    HF_TRY(std::string body, keystone_request(environment_));
    HttpRequest request;
    request.method = "POST";
    request.url = url;
    request.headers = {{"Content-Type", "application/json"}, {"Accept", "application/json"}};
    request.body = as_bytes(body);
    request.limit_bytes = max_answer_bytes;
    const auto outcome = http_.perform(std::move(request));
    wipe(body);
    if (!outcome.ok()) return outcome.error();
    HF_TRY_STATUS(check_answer(*outcome, url));
    SwiftAccess access;
    access.token = outcome->header("x-subject-token").value_or("");
    if (access.token.empty()) return Error(ErrorCode::corrupt, url + " answers no token");
    if (const auto wanted = environment_("OS_STORAGE_URL")) {
        HF_TRY(access.storage_url, checked_storage_url(*wanted, "OS_STORAGE_URL"));
        return access;
    }
    HF_TRY(KeystoneAnswer answer,
           parse_keystone_answer(as_text(outcome->body), environment_("OS_REGION_NAME").value_or("")));
    access.storage_url = std::move(answer.storage_url);
    access.expires = answer.expires;
    return access;
}

}  // namespace holdfast
