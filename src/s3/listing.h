// What a service answers to a listing of a bucket, page by page.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "s3/xml.h"

namespace holdfast {

// An object as a listing has it.
struct S3Object {
    std::string key;
    std::uint64_t bytes = 0;
    std::string etag;  // without quotation marks; empty when the service tells none
    TimeNs modified = 0;
    std::string storage_class{};  // empty when the service tells none
};

struct S3ListingPage {
    std::vector<S3Object> objects;  // whole keys, in order
    std::string continuation;       // empty: the last page
};

// ListObjectsV2 with encoding-type=url. A page that says less than it should, or keys that are not in order or not
// of the prefix, are an error: what is not listed may be deleted. Errors: corrupt.
Result<S3ListingPage> parse_listing(ByteSpan body, const std::string& prefix);

// A version of an object, or the mark that it was deleted.
struct S3Version {
    S3Object object;
    std::string id;
    bool is_latest = false;
    bool is_delete_marker = false;
};

struct S3VersionPage {
    std::vector<S3Version> versions;  // in order of their keys; of one key the newest first
    bool goes_on = false;
    std::string next_key, next_id;  // where it goes on
};

// ListObjectVersions with encoding-type=url. Errors: as parse_listing.
Result<S3VersionPage> parse_version_listing(ByteSpan body, const std::string& prefix);

// An upload of parts that was begun and neither completed nor given up.
struct S3UploadInfo {
    std::string key;
    std::string id;
    TimeNs begun = 0;
};

// ListMultipartUploads with encoding-type=url: the first page. Errors: corrupt.
Result<std::vector<S3UploadInfo>> parse_uploads(ByteSpan body);

// An ETag without its quotation marks.
std::string plain_etag(std::string_view etag);

}  // namespace holdfast
