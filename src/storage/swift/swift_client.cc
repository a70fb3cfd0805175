#include "storage/swift/swift_client.h"

#include "crypto/secret.h"

namespace holdfast {
namespace {

ErrorCode code_of(int status) {
    switch (status) {
        // Somebody's clock: what is stored is newer than the request. The next one is newer than that.
        case 409:
        // The body is not what the ETag says: it was changed on the way.
        case 422:
        // A rate limit, in Swift's own number.
        case 498: return ErrorCode::unavailable;
        // A quota of the account or the container.
        case 413: return ErrorCode::out_of_space;
        default: return error_code_of_status(status);
    }
}

// An object that is newer than the request keeps its place, and the answer is 202.
bool is_stored_nowhere(const SwiftRequest& request, const HttpResponse& response) {
    return request.method == "PUT" && !request.key.empty() && response.status == 202;
}

}  // namespace

SwiftClient::SwiftClient(SwiftLocation location,
                         SwiftOptions options,
                         std::shared_ptr<HttpClient> http,
                         Environment environment,
                         const Clock& clock,
                         Random& random)
    : location_(std::move(location)),
      options_(std::move(options)),
      clock_(clock),
      random_(random),
      http_(std::move(http)),
      auth_(std::move(environment), clock, *http_) {}

Result<std::unique_ptr<SwiftClient>> SwiftClient::open(SwiftLocation location,
                                                       SwiftOptions options,
                                                       Environment environment,
                                                       const Clock& clock,
                                                       Random& random) {
    options.http.environment = environment;
    HF_TRY(auto http, HttpClient::open(options.http));
    return std::unique_ptr<SwiftClient>(new SwiftClient(std::move(location), std::move(options), std::move(http),
                                                        std::move(environment), clock, random));
}

Result<std::unique_ptr<HttpCall>> SwiftClient::send(const SwiftRequest& request, std::string& token) {
    HF_TRY(const SwiftAccess access, auth_.get());
    wipe(token);
    token = access.token;
    HttpRequest http;
    http.method = request.method;
    http.url = access.storage_url + '/' + percent_encode(location_.container, Slash::encode);
    if (!request.key.empty()) http.url += '/' + percent_encode(request.key, Slash::keep);
    if (!request.query.empty()) http.url += '?' + encode_query(request.query);
    http.headers = request.headers;
    http.headers.push_back({"x-auth-token", token});
    http.body = request.body;
    http.into = request.into;
    http.limit_bytes = request.limit_bytes;
    return http_->start(std::move(http));
}

HttpVerdict SwiftClient::judge(const SwiftRequest& request, const std::string& token, Result<HttpResponse> outcome) {
    if (!outcome.ok()) {
        const bool may_pass = outcome.error().code() == ErrorCode::unavailable;
        return {std::move(outcome), may_pass ? TryAgain::later : TryAgain::never};
    }
    const bool is_lost = is_stored_nowhere(request, *outcome);
    if (outcome->is_success() && !is_lost) return {std::move(outcome), TryAgain::never};
    const ErrorCode means = is_lost ? ErrorCode::unavailable : code_of(outcome->status);
    Error error(means, location_.url_of(request.key) + ": the service answers " + std::to_string(outcome->status));
    const bool can_renew = outcome->status == 401 && auth_.renew(token);
    return {std::move(error), can_renew                         ? TryAgain::at_once
                              : means == ErrorCode::unavailable ? TryAgain::later
                                                                : TryAgain::never};
}

Result<HttpResponse> SwiftClient::call(const SwiftRequest& request) {
    std::string token;
    RetriedCall call([this, &request, &token] { return send(request, token); },
                     [this, &request, &token](Result<HttpResponse> outcome) {
                         return judge(request, token, std::move(outcome));
                     },
                     // A token may have expired: another one is asked for, once.
                     {.backoff = options_.backoff, .max_corrections = 1, .stop = options_.http.stop},
                     clock_,
                     random_);
    auto outcome = call.wait();
    wipe(token);
    return outcome;
}

}  // namespace holdfast
