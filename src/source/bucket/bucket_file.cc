#include "source/bucket/bucket_file.h"

#include <algorithm>
#include <cstring>

#include "crypto/digest.h"
#include "s3/bucket.h"

namespace holdfast {
namespace {

constexpr std::uint64_t range_bytes = 4u << 20;
constexpr std::uint64_t ranges_ahead = 3;

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
    etag_ = value_of(listed, etag_attribute);
    version_ = value_of(listed, version_attribute);
    is_delete_marker_ = !value_of(listed, delete_marker_attribute).empty();
    ranges_.clear();
    empty_call_.reset();
    attributes_.reset();
    if (is_delete_marker_) return;
    if (listed_.size == 0) empty_call_ = ask("GET", {}, 0);  // a HEAD does not always tell of tags
    else start_range(0);
}

std::unique_ptr<S3Call> BucketFile::ask(const char* method, MutableByteSpan into, std::uint64_t offset) const {
    S3Request request;
    request.method = method;
    request.key = key_;
    if (!version_.empty()) request.query.emplace_back("versionId", version_);
    if (!into.empty())
        request.headers.push_back(
            {"range", "bytes=" + std::to_string(offset) + '-' + std::to_string(offset + into.size() - 1)});
    if (!into.empty() && !etag_.empty() && sends_conditions_) request.headers.push_back({"if-match", '"' + etag_ + '"'});
    request.into = into;
    return client_.start(std::move(request));
}

void BucketFile::start_range(std::uint64_t number) {
    const std::uint64_t offset = number * range_bytes;
    if (offset >= listed_.size || ranges_.contains(number)) return;
    Range& range = ranges_[number];
    range.data.resize(static_cast<std::size_t>(std::min(range_bytes, listed_.size - offset)));
    range.call = ask("GET", range.data, offset);
}

// Another ETag is another object, and so is one that is shorter than a range begins.
Result<HttpResponse> BucketFile::check(Result<HttpResponse> response) const {
    const auto replaced = [this] { return Error(ErrorCode::conflict, key_ + ": it was replaced while it was read"); };
    if (!response.ok()) {
        const ErrorCode code = response.error().code();
        if (code == ErrorCode::corrupt || code == ErrorCode::already_exists) return replaced();
        return response;
    }
    if (!etag_.empty() && plain_etag(response->header("etag").value_or("")) != etag_) return replaced();
    return response;
}

bool BucketFile::is_still_there() const {
    return check(ask("HEAD", {}, 0)->wait()).ok();
}

Result<HttpResponse> BucketFile::answer_to(Range& range, std::uint64_t number) const {
    auto response = range.call->wait();
    if (response.ok() || response.error().code() != ErrorCode::already_exists || !is_still_there())
        return check(std::move(response));
    sends_conditions_ = false;
    range.call = ask("GET", range.data, number * range_bytes);
    return check(range.call->wait());
}

Result<const BucketFile::Range*> BucketFile::range(std::uint64_t number) {
    const auto found = ranges_.find(number);
    HF_CHECK(found != ranges_.end());
    Range& range = found->second;
    if (!range.call) return &range;
    const auto answered = answer_to(range, number);
    range.call.reset();
    if (!answered.ok()) {
        ranges_.erase(found);
        return answered.error();
    }
    const bool is_whole = range.data.size() == listed_.size && answered->status == 200;
    if (answered->status != 206 && !is_whole)
        return Error(ErrorCode::unsupported, key_ + ": the service reads no ranges");
    if (answered->into_bytes != range.data.size())
        return Error(ErrorCode::conflict, key_ + ": it became shorter while it was read");
    if (!attributes_) take_attributes(*answered);
    return &range;
}

// Of the first answer. Where the listing tells no ETag, it is the one that the others must have.
void BucketFile::take_attributes(const HttpResponse& answer) {
    attributes_ = attributes_in(answer);
    has_tags_ = has_tags(answer);
    if (etag_.empty()) etag_ = plain_etag(answer.header("etag").value_or(""));
}

Status BucketFile::await_attributes() {
    if (attributes_) return {};
    if (listed_.size != 0) {
        start_range(0);
        HF_TRY_STATUS(range(0));
        return {};
    }
    if (!empty_call_) empty_call_ = ask("GET", {}, 0);
    const auto answered = check(empty_call_->wait());
    empty_call_.reset();
    if (!answered.ok()) return answered.error();
    take_attributes(*answered);
    return {};
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
    if (is_delete_marker_) return listed_.xattrs;
    HF_TRY_STATUS(await_attributes());
    std::vector<ExtendedAttribute> list;
    for (const ObjectAttribute& one : *attributes_) list.push_back(attribute(one.name, one.value));
    if (has_tags_) {
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
    std::size_t done = 0;
    while (done < out.size() && offset < listed_.size) {
        const std::uint64_t number = offset / range_bytes;
        // Files are read from the start on: what lies behind is not needed, what lies ahead soon is.
        std::erase_if(ranges_, [number](const auto& one) {
            return one.first < number || one.first > number + ranges_ahead;
        });
        for (std::uint64_t ahead = 0; ahead <= ranges_ahead; ++ahead) start_range(number + ahead);
        HF_TRY(const Range* const there, range(number));
        const std::size_t from = static_cast<std::size_t>(offset - number * range_bytes);
        const std::size_t part = std::min(out.size() - done, there->data.size() - from);
        std::memcpy(out.data() + done, there->data.data() + from, part);
        done += part;
        offset += part;
    }
    return done;
}

}  // namespace holdfast
