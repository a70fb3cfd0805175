// Where a bucket is.
#pragma once

#include <string>

#include "http/url.h"
#include "s3/credentials.h"

namespace holdfast {

struct S3Location {
    std::string scheme = "https";
    std::string authority;  // of the service
    std::string bucket;
    std::string prefix;  // of keys; without '/' at its ends
    std::string region;
    // Whether the bucket stands in the path (else in the host's name).
    bool is_path_style = true;
    std::string storage_class;  // of data; empty: the bucket's
    long stall_seconds = 30;    // HttpOptions::stall_seconds

    // The host to ask, and how the path of a key begins.
    std::string host() const { return is_path_style ? authority : bucket + '.' + authority; }
    std::string base_path() const { return is_path_style ? '/' + percent_encode(bucket, Slash::encode) : ""; }
    // s3:SCHEME://AUTHORITY/BUCKET/KEY, for messages.
    std::string url_of(const std::string& key) const;
    std::string description() const { return url_of(prefix); }
    // What keys below the prefix begin with.
    std::string key_prefix() const { return prefix.empty() ? "" : prefix + '/'; }
};

// ENDPOINT/BUCKET[/PREFIX][?region=R&style=path|virtual&class=C&timeout=SECONDS]; the endpoint with or without http:// or https://
// (without: https). The region is, in this order, that of the URL, AWS_REGION, AWS_DEFAULT_REGION, that of the
// endpoint's name, us-east-1. Without a style: virtual for the services that want it so. Errors: invalid_argument.
Result<S3Location> parse_s3_location(std::string_view text, const Environment& environment);

// A bucket that is backed up, or restored to.
struct S3BucketUrl {
    static constexpr std::string_view scheme = "s3://";
    S3Location location;
    bool has_all_versions = false;

    // s3://BUCKET/PREFIX, whoever serves it.
    std::string name() const {
        return std::string(scheme) + location.bucket + (location.prefix.empty() ? "" : '/' + location.prefix);
    }
};

// s3://BUCKET[/PREFIX][?endpoint=URL&region=R&style=path|virtual&class=C&timeout=SECONDS&versions=all]. Without an
// endpoint: AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, Amazon's for the region. Errors: invalid_argument.
Result<S3BucketUrl> parse_s3_bucket_url(std::string_view text, const Environment& environment);

}  // namespace holdfast
