// Requests to one bucket of an S3 service: signed, tried again when that may help, errors told apart.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>

#include "base/byte_rate.h"
#include "http/retried_call.h"
#include "s3/credentials.h"
#include "s3/location.h"
#include "s3/xml.h"

namespace holdfast {

struct S3Request {
    std::string method = "GET";
    std::string key;  // whole, not encoded; empty: the bucket itself
    QueryParameters query;
    std::vector<HttpHeader> headers;  // names in small letters
    ByteSpan body;                    // lives until the call is done
    MutableByteSpan into;             // as HttpRequest::into
    std::uint64_t limit_bytes = 1u << 20;
    // Not sent again when it may have been carried out without an answer, which is `unavailable` then: for what must not
    // be done twice, such as a put in a bucket that keeps versions. A service that says that it is busy is asked again.
    bool is_sent_once = false;
};

struct S3Options {
    HttpOptions http;
    BackoffPolicy backoff;
    // Of bodies, and of what is read into place.
    BandwidthLimits limits{};
};

class S3Call;

// Thread-safe; outlives its calls.
//
// Errors of a request: not_found (no such key, upload or bucket), already_exists (a condition does not hold),
// permission_denied, out_of_space (a quota), corrupt (a range beyond the end, an answer that is no answer),
// unsupported, unavailable (after all tries), refused (an object lock), frozen (in an archive class), cancelled,
// invalid_argument.
class S3Client {
  public:
    static Result<std::unique_ptr<S3Client>> open(S3Location location,
                                                  S3Options options,
                                                  Environment environment,
                                                  const Clock& clock,
                                                  Random& random);

    const S3Location& location() const { return location_; }
    // The time that the service has, as far as is known.
    TimeNs now() const { return clock_.now() + skew_; }

    Result<HttpResponse> call(S3Request request);
    // Runs while the caller does something else; what fails is tried again while he waits.
    std::unique_ptr<S3Call> start(S3Request request);

  private:
    friend class S3Call;

    S3Client(S3Location location, S3Options options, Environment environment, const Clock& clock, Random& random);
    // What a signature was made with that an answer may say is wrong. What is known now may be better already: other
    // requests are on their way at the same time.
    struct SignedWith {
        TimeNs skew = 0;
        std::string region;
    };
    // `with` is filled.
    Result<std::unique_ptr<HttpCall>> send(const S3Request& request, SignedWith& with);
    HttpVerdict judge(const S3Request& request, const SignedWith& with, Result<HttpResponse> outcome);
    // Whether the answer tells of a mistake that a signature can be made without.
    bool learn(const SignedWith& with, const HttpResponse& response, const XmlElement& error);
    std::string region() const;

    const S3Location location_;
    const S3Options options_;
    const Clock& clock_;
    Random& random_;
    S3CredentialSource credentials_;
    ByteRate upload_, download_;
    std::shared_ptr<HttpClient> http_;
    std::atomic<TimeNs> skew_{0};  // of the service's clock, when it has refused ours
    mutable std::mutex mutex_;     // guards region_
    std::string region_;
};

// A request that is on its way. For one thread.
class S3Call {
  public:
    S3Call(S3Client& client, S3Request request);
    S3Call(const S3Call&) = delete;
    S3Call& operator=(const S3Call&) = delete;

    // Once.
    Result<HttpResponse> wait() { return call_.wait(); }
    // How often it was sent: an earlier one may have been carried out without an answer.
    unsigned tries() const { return call_.tries(); }

  private:
    const S3Request request_;
    S3Client::SignedWith signed_with_;  // when it was sent last
    RetriedCall call_;
};

}  // namespace holdfast
