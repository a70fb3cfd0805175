#include "source/bucket/bucket_file.h"

#include <algorithm>
#include <cstring>

#include "crypto/digest.h"
#include "s3/bucket.h"

namespace holdfast {
namespace {

// Nobody else's business until somebody says so.
constexpr std::uint16_t file_mode = 0600, directory_mode = 0700;

ExtendedAttribute attribute(std::string_view name, std::string_view value) {
    return {std::string(name), Bytes(value.begin(), value.end())};
}

std::string value_of(const Metadata& metadata, std::string_view name) {
    for (const ExtendedAttribute& one : metadata.xattrs)
        if (one.name == name) return std::string(as_text(one.value));
    return "";
}

// Equal for equal ETags and versions; others differ but for one case in 2^64.
std::uint64_t identity_of(const ListedObject& object) {
    const Digest digest = plain_hash(as_bytes(object.etag + '\0' + object.version));
    std::uint64_t number = 0;
    std::memcpy(&number, digest.bytes.data(), sizeof number);
    return number;
}

}  // namespace

Metadata metadata_of(const ListedObject& object) {
    Metadata metadata;
    metadata.type = EntryType::file;
    metadata.mode = file_mode;
    metadata.size = object.bytes;
    metadata.mtime = object.modified;
    // No ctime: that of a change which the listing does not show does not exist.
    metadata.inode = identity_of(object);
    if (object.is_delete_marker) metadata.xattrs.push_back(attribute(delete_marker_attribute, "true"));
    if (!object.etag.empty()) metadata.xattrs.push_back(attribute(etag_attribute, object.etag));
    if (!object.version.empty()) metadata.xattrs.push_back(attribute(version_attribute, object.version));
    return metadata;
}

Metadata directory_metadata() {
    Metadata metadata;
    metadata.type = EntryType::directory;
    metadata.mode = directory_mode;
    return metadata;
}

BucketFile::BucketFile(S3Client& client, std::string key, const Metadata& listed, std::atomic<bool>& sends_conditions)
    : client_(client), key_(std::move(key)), sends_conditions_(sends_conditions) {
    take(listed);
}

// What is to be read, from now on.
void BucketFile::take(const Metadata& listed) {
    listed_ = listed;
    version_ = value_of(listed, version_attribute);
    reader_.reset();
    if (!value_of(listed, delete_marker_attribute).empty()) return;
    reader_.emplace(client_, ObjectToRead{key_, version_, value_of(listed, etag_attribute), listed.size}, sends_conditions_);
}

// Asked for when it has changed: what the listing says now. A version does not change.
Result<Metadata> BucketFile::metadata() {
    if (version_.empty()) {
        // The first key that begins like this is the key itself.
        HF_TRY(const S3ListingPage page, list_page(client_, key_, "", 1));
        if (page.objects.empty() || page.objects.front().key != key_)
            return Error(ErrorCode::not_found, key_ + ": it is no longer there");
        const S3Object& now = page.objects.front();
        take(metadata_of({{}, now.bytes, now.modified, now.etag, {}, false}));
    }
    Metadata complete = listed_;
    HF_TRY(complete.xattrs, xattrs());
    return complete;
}

Result<std::vector<ExtendedAttribute>> BucketFile::xattrs() {
    if (!reader_) return listed_.xattrs;
    HF_TRY(const HttpResponse* const answer, reader_->first_answer());
    std::vector<ExtendedAttribute> list;
    for (const ObjectAttribute& one : attributes_in(*answer)) list.push_back(attribute(one.name, one.value));
    if (has_tags(*answer)) {
        HF_TRY(const std::string tags, read_tags(client_, key_, version_));
        if (!tags.empty()) list.push_back(attribute(tags_attribute, tags));
        std::sort(list.begin(), list.end());
    }
    return list;
}

Result<std::vector<SourceExtent>> BucketFile::extents(std::uint64_t bytes) {
    if (bytes == 0) return std::vector<SourceExtent>{};
    return std::vector<SourceExtent>{{0, bytes, false}};
}

Result<std::size_t> BucketFile::read(std::uint64_t offset, MutableByteSpan out) {
    return reader_ ? reader_->read(offset, out) : 0;
}

}  // namespace holdfast
