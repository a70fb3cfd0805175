// Who asks an OpenStack Swift service, and where its objects are: from the environment, and what an identity service
// answers. Keystone v3: https://docs.openstack.org/api-ref/identity/v3/. TempAuth, v1: the headers of Swift's overview.
#pragma once

#include <mutex>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/environment.h"
#include "http/http_client.h"

namespace holdfast {

struct SwiftAccess {
    SwiftAccess() = default;
    SwiftAccess(const SwiftAccess&) = default;
    SwiftAccess& operator=(const SwiftAccess&) = default;
    ~SwiftAccess();

    std::string storage_url;  // of the account; without '/' at its end
    std::string token;
    std::optional<TimeNs> expires;
};

// The first that is set: OS_STORAGE_URL with OS_AUTH_TOKEN; ST_AUTH with ST_USER and ST_KEY (v1); OS_AUTH_URL (Keystone
// v3) with a password or an application credential. OS_STORAGE_URL goes before what an identity service says. A token
// that is known to expire is asked for anew five minutes before. Thread-safe; outlived by `http`.
class SwiftAuth {
  public:
    SwiftAuth(Environment environment, const Clock& clock, HttpClient& http)
        : environment_(std::move(environment)), clock_(clock), http_(http) {}

    // Errors: permission_denied when there are no credentials, or they are refused; invalid_argument when they are not
    // complete; unavailable, corrupt.
    Result<SwiftAccess> get();
    // The service has refused this token. False when there is no way to another one.
    bool renew(const std::string& refused_token);

  private:
    Result<SwiftAccess> find();
    Result<SwiftAccess> ask_v1(const std::string& url);
    Result<SwiftAccess> ask_keystone(const std::string& url);

    const Environment environment_;
    const Clock& clock_;
    HttpClient& http_;
    std::mutex mutex_;  // guards what follows
    std::optional<SwiftAccess> known_;
};

// Where tokens are given, from OS_AUTH_URL with or without its version. Errors: invalid_argument, unsupported (v2).
Result<std::string> keystone_tokens_url(std::string_view auth_url);
// What is asked there, in JSON. Holds secrets. Errors: permission_denied when a variable is missing.
Result<std::string> keystone_request(const Environment& environment);

// What it answers beside the token.
struct KeystoneAnswer {
    std::string storage_url;
    std::optional<TimeNs> expires;
};
// The public endpoint of type object-store in `region`; with an empty region there may be one only. Errors: corrupt;
// not_found when there is no such endpoint, invalid_argument when a region has to be named.
Result<KeystoneAnswer> parse_keystone_answer(std::string_view text, const std::string& region);

}  // namespace holdfast
