// What a service answers to a listing of a bucket, page by page.
#pragma once

#include <optional>

#include "base/clock.h"
#include "s3/xml.h"
#include "storage/storage.h"

namespace holdfast {

struct S3ListingPage {
    std::vector<ObjectInfo> objects;  // whole keys, in order
    std::string continuation;         // empty: the last page
};

// ListObjectsV2 with encoding-type=url. A page that says less than it should, or keys that are not in order or not
// of the prefix, are an error: what is not listed may be deleted. Errors: corrupt.
Result<S3ListingPage> parse_listing(ByteSpan body, const std::string& prefix);

// One version of an object, or a mark that it is deleted.
struct S3ListedVersion {
    std::string key;
    std::string id;
    std::uint64_t bytes = 0;
    TimeNs modified = 0;
    bool is_delete_marker = false;
};
struct S3VersionsPage {
    std::vector<S3ListedVersion> versions;  // by key; of one key the newest first
    std::string key_marker, version_marker;
    bool is_last = true;
};

// ListObjectVersions with encoding-type=url; what is asked of it is that of parse_listing(). Errors: corrupt.
Result<S3VersionsPage> parse_versions(ByteSpan body, const std::string& prefix);

// An upload of parts that was begun and neither completed nor given up.
struct S3Upload {
    std::string key;
    std::string id;
    TimeNs begun = 0;
};

// ListMultipartUploads with encoding-type=url: the first page. Errors: corrupt.
Result<std::vector<S3Upload>> parse_uploads(ByteSpan body);

}  // namespace holdfast
