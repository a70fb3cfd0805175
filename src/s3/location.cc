#include "s3/location.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "http/url.h"

namespace holdfast {
namespace {

// Services that address buckets by host: what their names end with, and what stands before the region.
struct KnownService {
    std::string_view ending;
    std::string_view before_region;
};
constexpr std::array<KnownService, 4> known_services{{
    {".amazonaws.com", "s3."},
    {".amazonaws.com.cn", "s3."},
    {".myhuaweicloud.com", "obs."},
    {".prod-cloud-ocb.orange-business.com", "oss."},
}};

const KnownService* service_of(std::string_view host) {
    const auto found = std::find_if(known_services.begin(), known_services.end(), [host](const KnownService& service) {
        return host.ends_with(service.ending);
    });
    return found == known_services.end() ? nullptr : found;
}

// s3.eu-west-3.amazonaws.com: eu-west-3
std::string region_in(std::string_view host, const KnownService& service) {
    if (!host.starts_with(service.before_region) || host.size() < service.before_region.size() + service.ending.size())
        return "";
    host.remove_prefix(service.before_region.size());
    host.remove_suffix(service.ending.size());
    return host.find('.') == std::string_view::npos ? std::string(host) : "";
}

// What a host name may have in front of a dot.
bool is_host_label(std::string_view bucket) {
    return std::all_of(bucket.begin(), bucket.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
    });
}

std::optional<long> parse_seconds(std::string_view text) {
    long seconds = 0;
    const char* const end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, seconds);
    if (error != std::errc() || rest != end || seconds < 1 || seconds > 3600) return std::nullopt;
    return seconds;
}

Status set_parameter(S3Location& location, const std::string& name, const std::string& value) {
    if (name == "region") {
        location.region = value;
    } else if (name == "timeout") {
        const auto seconds = parse_seconds(value);
        if (!seconds) return Error(ErrorCode::invalid_argument, "timeout=" + value + ": not 1 to 3600 seconds");
        location.stall_seconds = *seconds;
    } else if (name == "class") {
        location.storage_class = value;
    } else if (name == "style" && (value == "path" || value == "virtual")) {
        location.is_path_style = value == "path";
    } else {
        return Error(ErrorCode::invalid_argument, "not known of an S3 repository: '" + name +
                                                      "' (region=, style=path, style=virtual, class=, timeout=)");
    }
    return {};
}

}  // namespace

std::string S3Location::url_of(const std::string& key) const {
    return "s3:" + scheme + "://" + authority + '/' + bucket + (key.empty() ? "" : '/' + key);
}

Result<S3Location> parse_s3_location(std::string_view text, const Environment& environment) {
    const bool has_scheme = text.find("://") != std::string_view::npos;
    HF_TRY(Url url, parse_url(has_scheme ? std::string(text) : "https://" + std::string(text)));
    S3Location location;
    location.scheme = url.scheme;
    location.authority = url.authority;
    std::string_view path = url.path;
    while (path.starts_with('/')) path.remove_prefix(1);
    while (path.ends_with('/')) path.remove_suffix(1);
    location.bucket = path.substr(0, path.find('/'));
    if (location.bucket.empty())
        return Error(ErrorCode::invalid_argument,
                     "a bucket is missing: s3:https://ENDPOINT/BUCKET/PREFIX, not 's3:" + without_password(text) + "'");
    path.remove_prefix(std::min(path.size(), location.bucket.size() + 1));
    location.prefix = path;
    const KnownService* const service = service_of(location.authority);
    location.is_path_style = service == nullptr || !is_host_label(location.bucket);
    for (const auto& [name, value] : url.query) HF_TRY_STATUS(set_parameter(location, name, value));
    for (const char* const variable : {"AWS_REGION", "AWS_DEFAULT_REGION"})
        if (location.region.empty()) location.region = environment(variable).value_or("");
    if (location.region.empty() && service != nullptr) location.region = region_in(location.authority, *service);
    if (location.region.empty()) location.region = "us-east-1";
    return location;
}

Result<S3BucketUrl> parse_s3_bucket_url(std::string_view text, const Environment& environment) {
    const Error no_bucket(ErrorCode::invalid_argument,
                          "not a bucket: '" + std::string(text) + "' (s3://BUCKET/PREFIX?endpoint=URL)");
    if (!text.starts_with(S3BucketUrl::scheme)) return no_bucket;
    text.remove_prefix(S3BucketUrl::scheme.size());
    const std::size_t question = std::min(text.size(), text.find('?'));
    const std::string_view path = text.substr(0, question);
    if (path.empty() || path.front() == '/') return no_bucket;
    HF_TRY(const QueryParameters query, parse_query(text.substr(std::min(text.size(), question + 1))));
    S3BucketUrl url;
    std::string endpoint = environment("AWS_ENDPOINT_URL_S3").value_or(environment("AWS_ENDPOINT_URL").value_or(""));
    std::string region;
    QueryParameters rest;
    for (const auto& [name, value] : query) {
        if (name == "endpoint") endpoint = value;
        else if (name == "versions" && (value == "all" || value == "current")) url.has_all_versions = value == "all";
        else rest.emplace_back(name, value);
        if (name == "region") region = value;
    }
    for (const char* const variable : {"AWS_REGION", "AWS_DEFAULT_REGION"})
        if (region.empty()) region = environment(variable).value_or("");
    if (endpoint.empty()) endpoint = "https://s3." + (region.empty() ? "us-east-1" : region) + ".amazonaws.com";
    while (endpoint.ends_with('/')) endpoint.pop_back();
    // A path in an endpoint would be taken for the bucket.
    const std::size_t authority = endpoint.find("://") == std::string::npos ? 0 : endpoint.find("://") + 3;
    if (endpoint.find_first_of("/?#", authority) != std::string::npos)
        return Error(ErrorCode::invalid_argument, "an endpoint with a path: '" + without_password(endpoint) + "'");
    HF_TRY(url.location, parse_s3_location(endpoint + '/' + std::string(path) + '?' + encode_query(rest), environment));
    return url;
}

}  // namespace holdfast
