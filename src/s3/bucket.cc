#include "s3/bucket.h"

#include "base/random.h"

namespace holdfast {
namespace {

// A page has at most 1,000 keys of at most 1,024 bytes, three times that when they are encoded, and as much again
// beside each.
constexpr std::uint64_t max_listing_bytes = 8u << 20;
constexpr int more_tries = 3;

// Sends `request` until `parse` takes the answer for a page.
template <typename Parse>
auto ask_for_page(S3Client& client, const S3Request& request, const Parse& parse)
    -> decltype(parse(std::declval<const HttpResponse&>())) {
    for (int tries_left = more_tries;; --tries_left) {
        HF_TRY(const HttpResponse response, client.call(request));
        auto page = parse(response);
        if (page.ok()) return page;
        if (tries_left == 0)
            return Error(ErrorCode::unavailable, page.error().message())
                .with_context("listing " + client.location().description());
    }
}

Error goes_back(const S3Client& client, const std::string& key) {
    return Error(ErrorCode::unavailable, "a listing goes back to " + key)
        .with_context("listing " + client.location().description());
}

}  // namespace

Result<std::unique_ptr<S3Client>> open_s3_client(S3Location location,
                                                 const std::string& ca_file,
                                                 const BackoffPolicy& backoff,
                                                 std::stop_token stop,
                                                 const Environment& environment,
                                                 const BandwidthLimits& limits) {
    S3Options options;
    options.limits = limits;
    options.http.stall_seconds = location.stall_seconds;
    options.http.stop = std::move(stop);
    options.http.ca_file = ca_file.empty() ? environment("AWS_CA_BUNDLE").value_or("") : ca_file;
    options.http.environment = environment;
    options.backoff = backoff;
    return S3Client::open(std::move(location), std::move(options), environment, system_clock(), system_random());
}

Result<BucketState> make_bucket(S3Client& client, ObjectLock lock) {
    S3Request look;
    look.method = "HEAD";
    const auto found = client.call(std::move(look));
    if (found.ok()) return BucketState::was_there;
    if (found.error().code() != ErrorCode::not_found) return found.error();
    const std::string& region = client.location().region;
    // Where no region is the first one, it must not be named.
    const std::string body = region == "us-east-1" ? ""
                                                   : "<CreateBucketConfiguration><LocationConstraint>" +
                                                         xml_escape(region) +
                                                         "</LocationConstraint></CreateBucketConfiguration>";
    S3Request make;
    make.method = "PUT";
    make.body = as_bytes(body);
    if (lock == ObjectLock::yes) make.headers.push_back({"x-amz-bucket-object-lock-enabled", "true"});
    const auto made = client.call(std::move(make));
    if (made.ok()) return BucketState::made;
    if (made.error().code() == ErrorCode::already_exists) return BucketState::was_there;
    return made.error();
}

Result<S3ListingPage> list_page(S3Client& client,
                                const std::string& prefix,
                                const std::string& continuation,
                                unsigned max_keys) {
    S3Request request;
    request.query = {{"list-type", "2"}, {"prefix", prefix}, {"encoding-type", "url"}};
    if (!continuation.empty()) request.query.emplace_back("continuation-token", continuation);
    if (max_keys != 0) request.query.emplace_back("max-keys", std::to_string(max_keys));
    request.limit_bytes = max_listing_bytes;
    return ask_for_page(client, request, [&prefix](const HttpResponse& response) {
        return parse_listing(response.body, prefix);
    });
}

Status for_each_object(S3Client& client,
                       const std::string& prefix,
                       const std::function<Result<bool>(S3Object&)>& visit) {
    std::string last;
    bool is_first = true;
    for (std::string continuation;;) {
        HF_TRY(S3ListingPage page, list_page(client, prefix, continuation));
        for (S3Object& object : page.objects) {
            if (!is_first && object.key <= last) return goes_back(client, object.key);
            is_first = false;
            last = object.key;
            HF_TRY(const bool goes_on, visit(object));
            if (!goes_on) return {};
        }
        if (page.continuation.empty()) return {};
        if (page.continuation == continuation)
            return Error(ErrorCode::corrupt, "the service's listing goes on where it was: " + client.location().description());
        continuation = std::move(page.continuation);
    }
}

Status VersionLister::ask() {
    S3Request request;
    request.query = {{"versions", ""}, {"prefix", prefix_}, {"encoding-type", "url"}};
    if (!page_.next_key.empty()) request.query.emplace_back("key-marker", page_.next_key);
    if (!page_.next_id.empty()) request.query.emplace_back("version-id-marker", page_.next_id);
    request.limit_bytes = max_listing_bytes;
    ++requests_;
    HF_TRY(S3VersionPage page, ask_for_page(client_, request, [this](const HttpResponse& response) {
               return parse_version_listing(response.body, prefix_);
           }));
    if (page.goes_on && page.next_key == page_.next_key && page.next_id == page_.next_id)
        return goes_back(client_, page.next_key);
    page_ = std::move(page);
    place_ = 0;
    is_begun_ = true;
    return {};
}

Result<std::optional<S3Version>> VersionLister::next() {
    // Some services begin with the key that they are to begin behind.
    const auto is_before = [this] { return !after_.empty() && page_.versions[place_].object.key <= after_; };
    while (place_ == page_.versions.size() || is_before()) {
        if (place_ != page_.versions.size()) {
            ++place_;
            continue;
        }
        if (is_begun_ && !page_.goes_on) return std::optional<S3Version>();
        HF_TRY_STATUS(ask());
    }
    S3Version& version = page_.versions[place_++];
    if (version.object.key < last_) return goes_back(client_, version.object.key);
    last_ = version.object.key;
    return std::optional(std::move(version));
}

Status for_each_version(S3Client& client,
                        const std::string& prefix,
                        const std::function<Result<bool>(S3Version&)>& visit) {
    VersionLister lister(client, prefix);
    for (;;) {
        HF_TRY(std::optional<S3Version> version, lister.next());
        if (!version) return {};
        HF_TRY(const bool goes_on, visit(*version));
        if (!goes_on) return {};
    }
}

Result<bool> keeps_versions(S3Client& client) {
    S3Request ask;
    ask.query = {{"versioning", ""}};
    HF_TRY(const HttpResponse response, client.call(std::move(ask)));
    HF_TRY(const XmlElement root, parse_xml(response.body));
    return root.child_text("Status") == "Enabled";
}

Status keep_versions(S3Client& client) {
    constexpr std::string_view body =
        "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    S3Request set;
    set.method = "PUT";
    set.query = {{"versioning", ""}};
    set.body = as_bytes(body);
    HF_TRY_STATUS(client.call(std::move(set)));
    return {};
}

Result<bool> has_object_lock(S3Client& client) {
    S3Request ask;
    ask.query = {{"object-lock", ""}};
    const auto response = client.call(std::move(ask));
    if (!response.ok()) {
        const ErrorCode code = response.error().code();
        const bool is_unknown = code == ErrorCode::not_found || code == ErrorCode::unsupported ||
                                code == ErrorCode::invalid_argument;
        if (is_unknown) return false;
        return response.error();
    }
    HF_TRY(const XmlElement root, parse_xml(response->body));
    return root.child_text("ObjectLockEnabled") == "Enabled";
}

}  // namespace holdfast
