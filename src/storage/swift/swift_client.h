// Requests to one container of a Swift service: with a token, tried again when that may help, errors told apart.
#pragma once

#include "http/retried_call.h"
#include "http/url.h"
#include "storage/swift/swift_auth.h"
#include "storage/swift/swift_location.h"

namespace holdfast {

struct SwiftRequest {
    std::string method = "GET";
    std::string key;  // whole, not encoded; empty: the container itself
    QueryParameters query;
    std::vector<HttpHeader> headers;
    ByteSpan body;
    MutableByteSpan into;  // as HttpRequest::into
    std::uint64_t limit_bytes = 1u << 20;
};

struct SwiftOptions {
    HttpOptions http;
    BackoffPolicy backoff;
};

// Thread-safe. Errors of a request: not_found (no such object or container), already_exists (a condition does not
// hold), permission_denied, out_of_space (a quota), corrupt (a range beyond the end), unavailable (after all tries),
// cancelled, invalid_argument.
class SwiftClient {
  public:
    static Result<std::unique_ptr<SwiftClient>> open(SwiftLocation location,
                                                     SwiftOptions options,
                                                     Environment environment,
                                                     const Clock& clock,
                                                     Random& random);

    const SwiftLocation& location() const { return location_; }
    Result<HttpResponse> call(const SwiftRequest& request);

  private:
    SwiftClient(SwiftLocation location,
                SwiftOptions options,
                std::shared_ptr<HttpClient> http,
                Environment environment,
                const Clock& clock,
                Random& random);
    // `token`: with what it was sent.
    Result<std::unique_ptr<HttpCall>> send(const SwiftRequest& request, std::string& token);
    HttpVerdict judge(const SwiftRequest& request, const std::string& token, Result<HttpResponse> outcome);

    const SwiftLocation location_;
    const SwiftOptions options_;
    const Clock& clock_;
    Random& random_;
    const std::shared_ptr<HttpClient> http_;
    SwiftAuth auth_;
};

}  // namespace holdfast
