// What an object has besides its content, as extended attributes of a file. docs/reference/buckets.md.
#pragma once

#include <string>
#include <vector>

#include "http/http_client.h"
#include "s3/listing.h"
#include "s3/s3_client.h"

namespace holdfast {

// All names begin with this.
inline constexpr std::string_view object_attribute_prefix = "user.s3.";
inline constexpr std::string_view etag_attribute = "user.s3.etag";
inline constexpr std::string_view version_attribute = "user.s3.version-id";
inline constexpr std::string_view tags_attribute = "user.s3.tags";
// Of a mark that an object was deleted, which is a version without content.
inline constexpr std::string_view delete_marker_attribute = "user.s3.delete-marker";
inline constexpr std::string_view storage_class_header = "x-amz-storage-class";

struct ObjectAttribute {
    std::string name;
    std::string value;
    auto operator<=>(const ObjectAttribute&) const = default;
};

// What the answer to a GET or HEAD tells, sorted by name; no tags.
std::vector<ObjectAttribute> attributes_in(const HttpResponse& response);
// Whether it tells that there are tags.
bool has_tags(const HttpResponse& response);
// The tags of an object as a request's header has them (a=1&b=2). `version` may be empty.
Result<std::string> read_tags(S3Client& client, const std::string& key, const std::string& version);
// Gives an object, or one of its versions, these tags, in the same form.
Status put_tags(S3Client& client, const std::string& key, const std::string& tags, const std::string& version = "");

// The headers that give a new object an attribute; none for what a service decides itself: ETag, version, lock. Errors:
// invalid_argument for what no header can hold.
Result<std::vector<HttpHeader>> headers_of(const ObjectAttribute& attribute);

}  // namespace holdfast
