#include "s3/s3_client.h"

#include <array>
#include <cstdlib>

#include "crypto/sha256.h"
#include "http/http_date.h"
#include "s3/signature.h"

namespace holdfast {
namespace {

constexpr TimeNs max_skew = 300 * ns_per_second;

struct KnownError {
    std::string_view code;
    ErrorCode means;
};
// Codes that say something else than the status does.
constexpr std::array<KnownError, 21> known_errors{{
    {"NoSuchBucket", ErrorCode::not_found},
    {"BadDigest", ErrorCode::unavailable},
    {"XAmzContentSHA256Mismatch", ErrorCode::unavailable},
    {"IncompleteBody", ErrorCode::unavailable},
    {"RequestTimeout", ErrorCode::unavailable},
    {"InternalError", ErrorCode::unavailable},
    {"SlowDown", ErrorCode::unavailable},
    {"SlowDownRead", ErrorCode::unavailable},
    {"SlowDownWrite", ErrorCode::unavailable},
    {"ServiceUnavailable", ErrorCode::unavailable},
    {"Throttling", ErrorCode::unavailable},
    {"OperationAborted", ErrorCode::unavailable},
    {"ConditionalRequestConflict", ErrorCode::unavailable},
    {"QuotaExceeded", ErrorCode::out_of_space},
    {"XMinioStorageFull", ErrorCode::out_of_space},
    {"InsufficientStorage", ErrorCode::out_of_space},
    {"NotImplemented", ErrorCode::unsupported},
    {"BucketAlreadyOwnedByYou", ErrorCode::already_exists},
    {"BucketAlreadyExists", ErrorCode::already_exists},
    {"RestoreAlreadyInProgress", ErrorCode::already_exists},
    {"InvalidObjectState", ErrorCode::frozen},
}};

ErrorCode code_of(int status, const std::string& code) {
    for (const KnownError& known : known_errors)
        if (known.code == code) return known.means;
    return error_code_of_status(status);
}

// Whether the request may have been carried out although its answer tells of a failure that passes. 429 and 503 come from
// who has not begun.
bool may_be_done(int status) { return status != 429 && status != 503; }

// The error that the body tells of, if it does: some answers are successes by their status and failures by it.
std::optional<XmlElement> error_in(const HttpResponse& response) {
    if (response.body.empty() || response.body.front() != '<') return std::nullopt;
    auto root = parse_xml(response.body);
    if (!root.ok() || root->name != "Error") return std::nullopt;
    return std::move(root).value();
}

}  // namespace

S3Client::S3Client(S3Location location, S3Options options, Environment environment, const Clock& clock, Random& random)
    : location_(std::move(location)),
      options_(std::move(options)),
      clock_(clock),
      random_(random),
      credentials_(std::move(environment), clock, options_.http.stop),
      upload_(options_.limits.upload_bytes_per_second, options_.http.stop, clock),
      download_(options_.limits.download_bytes_per_second, options_.http.stop, clock),
      region_(location_.region) {}

Result<std::unique_ptr<S3Client>> S3Client::open(S3Location location,
                                                 S3Options options,
                                                 Environment environment,
                                                 const Clock& clock,
                                                 Random& random) {
    std::unique_ptr<S3Client> client(
        new S3Client(std::move(location), std::move(options), std::move(environment), clock, random));
    HF_TRY(client->http_, HttpClient::open(client->options_.http));
    return client;
}

std::string S3Client::region() const {
    const std::lock_guard lock(mutex_);
    return region_;
}

Result<std::unique_ptr<HttpCall>> S3Client::send(const S3Request& request, SignedWith& with) {
    HF_TRY_STATUS(upload_.take(request.body.size()));
    HF_TRY_STATUS(download_.take(request.into.size()));
    with = {skew_, region()};
    HF_TRY(const S3Credentials credentials, credentials_.get());
    UnsignedRequest to_sign;
    to_sign.method = request.method;
    to_sign.host = location_.host();
    to_sign.path = location_.base_path();
    if (!request.key.empty()) to_sign.path += '/' + percent_encode(request.key, Slash::keep);
    if (to_sign.path.empty()) to_sign.path = "/";
    to_sign.query = request.query;
    to_sign.headers = request.headers;
    to_sign.payload_sha256 = to_hex(sha256(request.body));
    HttpRequest http;
    http.method = request.method;
    http.headers = sign(to_sign, credentials, with.region, clock_.now() + with.skew);
    http.url = location_.scheme + "://" + to_sign.host + to_sign.path;
    if (!request.query.empty()) http.url += '?' + encode_query(request.query);
    http.body = request.body;
    http.into = request.into;
    http.limit_bytes = request.limit_bytes;
    http.is_sent_once = request.is_sent_once;
    return http_->start(std::move(http));
}

namespace {

bool is_region(std::string_view text) {
    return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    });
}

}  // namespace

bool S3Client::learn(const SignedWith& with, const HttpResponse& response, const XmlElement& error) {
    const std::string code = error.child_text("Code");
    const auto date = response.header("date");
    const auto time = date ? parse_http_date(*date) : std::nullopt;
    // An answer to HEAD has no code.
    if (time && response.status == 403 && (code == "RequestTimeTooSkewed" || code.empty()) &&
        std::abs(*time - clock_.now() - with.skew) > max_skew) {
        skew_ = *time - clock_.now();
        return true;
    }
    if (code == "ExpiredToken" || code == "ExpiredTokenException") {
        credentials_.forget();
        return true;
    }
    std::string told = response.header("x-amz-bucket-region").value_or("");
    if (told.empty()) told = error.child_text("Region");
    const std::lock_guard lock(mutex_);
    if (!is_region(told) || told == with.region || response.status == 404) return false;
    region_ = told;
    return true;
}

HttpVerdict S3Client::judge(const S3Request& request, const SignedWith& with, Result<HttpResponse> outcome) {
    if (!outcome.ok()) {
        const bool may_pass = outcome.error().code() == ErrorCode::unavailable;
        return {std::move(outcome), may_pass && !request.is_sent_once ? TryAgain::later : TryAgain::never};
    }
    const std::optional<XmlElement> told = error_in(*outcome);
    if (outcome->is_success() && !told) return {std::move(outcome), TryAgain::never};
    const XmlElement error = told.value_or(XmlElement{});
    const std::string code = error.child_text("Code");
    // A failure after a status of success is of the service, whatever it is.
    const ErrorCode means = outcome->is_success() ? ErrorCode::unavailable : code_of(outcome->status, code);
    std::string message = location_.url_of(request.key) + ": " + (code.empty() ? "the service answers " + std::to_string(outcome->status) : code);
    if (const std::string text = error.child_text("Message"); !text.empty()) message += " (" + text + ')';
    const bool can_learn = !outcome->is_success() && learn(with, *outcome, error);
    const bool may_pass = means == ErrorCode::unavailable && !(request.is_sent_once && may_be_done(outcome->status));
    return {Error(means, std::move(message)), can_learn  ? TryAgain::at_once
                                              : may_pass ? TryAgain::later
                                                         : TryAgain::never};
}

std::unique_ptr<S3Call> S3Client::start(S3Request request) {
    return std::make_unique<S3Call>(*this, std::move(request));
}

Result<HttpResponse> S3Client::call(S3Request request) {
    return S3Call(*this, std::move(request)).wait();
}

S3Call::S3Call(S3Client& client, S3Request request)
    : request_(std::move(request)),
      call_([&client, this] { return client.send(request_, signed_with_); },
            [&client, this](Result<HttpResponse> outcome) { return client.judge(request_, signed_with_, std::move(outcome)); },
            // What an answer may tell: a region, the time, that credentials have expired.
            {.backoff = client.options_.backoff, .max_corrections = 3, .stop = client.options_.http.stop},
            client.clock_,
            client.random_) {}

}  // namespace holdfast
