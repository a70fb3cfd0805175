// Who asks an S3 service: from the environment, a profile, or the machine's own metadata.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>

#include "base/clock.h"
#include "base/environment.h"
#include "base/result.h"

namespace holdfast {

struct S3Credentials {
    S3Credentials() = default;
    S3Credentials(const S3Credentials&) = default;
    S3Credentials& operator=(const S3Credentials&) = default;
    ~S3Credentials();

    std::string access_key;
    std::string secret_key;
    std::string session_token;      // of temporary ones
    std::optional<TimeNs> expires;  // of those of a machine
};

// The first that has any: AWS_ACCESS_KEY_ID with AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN); the profile AWS_PROFILE
// of AWS_SHARED_CREDENTIALS_FILE (~/.aws/credentials); AWS_CONTAINER_CREDENTIALS_FULL_URI or _RELATIVE_URI; the
// metadata service of the machine (IMDSv2), unless AWS_EC2_METADATA_DISABLED. Those that expire are asked for anew
// five minutes before, and again while that fails and they are still good. Thread-safe.
class S3CredentialSource {
  public:
    S3CredentialSource(Environment environment, const Clock& clock, std::stop_token stop)
        : environment_(std::move(environment)), clock_(clock), stop_(std::move(stop)) {}

    // Errors: permission_denied when there are none; unavailable, corrupt.
    Result<S3Credentials> get();
    // Asks again at the next get(): the service has refused them.
    void forget();

  private:
    Result<S3Credentials> find();
    Result<std::optional<S3Credentials>> from_profile();
    Result<std::optional<S3Credentials>> from_container();
    Result<std::optional<S3Credentials>> from_machine();

    const Environment environment_;
    const Clock& clock_;
    const std::stop_token stop_;
    std::mutex mutex_;  // guards what follows
    std::optional<S3Credentials> known_;
    TimeNs find_again_ = 0;
};

// The credentials of a profile in a file as the AWS tools have it. Nothing when it has no such profile.
std::optional<S3Credentials> parse_profile(std::string_view text, const std::string& profile);
// What a metadata service answers. Errors: corrupt.
Result<S3Credentials> parse_metadata_credentials(std::string_view text);

}  // namespace holdfast
