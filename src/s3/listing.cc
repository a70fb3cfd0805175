#include "s3/listing.h"

#include <charconv>
#include <optional>

#include "http/url.h"

namespace holdfast {
namespace {

std::optional<std::uint64_t> parse_number(const std::string& text) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

// Only when it says so is a key encoded.
Result<std::string> decode_key(const std::string& text, bool is_encoded) {
    if (!is_encoded) return text;
    std::string plain = text;
    // As in forms, which some services follow; a '+' of the key itself is encoded.
    for (char& c : plain)
        if (c == '+') c = ' ';
    return percent_decode(plain);
}

Error damaged(const std::string& what) {
    return {ErrorCode::corrupt, "a listing is not what it should be: " + what};
}

struct ListingHead {
    bool goes_on = false;
    bool is_encoded = false;
};

Result<ListingHead> parse_head(const XmlElement& root, std::string_view name) {
    if (root.name != name) return damaged("'" + root.name + "'");
    const std::string truncated = root.child_text("IsTruncated");
    if (truncated != "true" && truncated != "false") return damaged("it does not say whether it is all");
    return ListingHead{truncated == "true", root.child_text("EncodingType") == "url"};
}

enum class HasContent : std::uint8_t { yes, no };

Result<S3Object> parse_object(const XmlElement& element, bool is_encoded, HasContent has_content) {
    S3Object object;
    HF_TRY(object.key, decode_key(element.child_text("Key"), is_encoded));
    if (has_content == HasContent::yes) {
        const auto bytes = parse_number(element.child_text("Size"));
        if (!bytes) return damaged("no size of " + object.key);
        object.bytes = *bytes;
    }
    object.etag = plain_etag(element.child_text("ETag"));
    object.storage_class = element.child_text("StorageClass");
    if (const std::string modified = element.child_text("LastModified"); !modified.empty()) {
        HF_TRY(object.modified, parse_rfc3339(modified));
    }
    return object;
}

// Ceph's gateway encodes keys, and not the marker, which is the last key of the page: that tells which of both it is.
Result<std::string> parse_marker(const std::string& told, bool is_encoded, const std::vector<S3Version>& versions) {
    if (!versions.empty() && told == versions.back().object.key) return told;
    return decode_key(told, is_encoded);
}

// S3 has keys of 1,024 bytes; other services some more.
Status check_key(const std::string& key, const std::string& prefix) {
    constexpr std::size_t max_key_bytes = 2048;
    if (key.size() > max_key_bytes) return damaged(key.substr(0, 64) + "... is longer than a key can be");
    if (!key.starts_with(prefix)) return damaged(key + " is not below " + prefix);
    return {};
}

}  // namespace

std::string plain_etag(std::string_view etag) {
    if (etag.size() >= 2 && etag.front() == '"' && etag.back() == '"') etag = etag.substr(1, etag.size() - 2);
    return std::string(etag);
}

Result<S3ListingPage> parse_listing(ByteSpan body, const std::string& prefix) {
    HF_TRY(const XmlElement root, parse_xml(body));
    HF_TRY(const ListingHead head, parse_head(root, "ListBucketResult"));
    S3ListingPage page;
    for (const XmlElement& child : root.children) {
        if (child.name != "Contents") continue;
        HF_TRY(S3Object object, parse_object(child, head.is_encoded, HasContent::yes));
        HF_TRY_STATUS(check_key(object.key, prefix));
        if (!page.objects.empty() && object.key <= page.objects.back().key)
            return damaged(object.key + " is not in order");
        page.objects.push_back(std::move(object));
    }
    if (head.goes_on) {
        page.continuation = root.child_text("NextContinuationToken");
        if (page.continuation.empty()) return damaged("it goes on, and does not say where");
    }
    if (const auto count = parse_number(root.child_text("KeyCount")); count && *count != page.objects.size())
        return damaged("fewer keys than it says");
    return page;
}

Result<S3VersionPage> parse_version_listing(ByteSpan body, const std::string& prefix) {
    HF_TRY(const XmlElement root, parse_xml(body));
    HF_TRY(const ListingHead head, parse_head(root, "ListVersionsResult"));
    S3VersionPage page;
    for (const XmlElement& child : root.children) {
        S3Version version;
        version.is_delete_marker = child.name == "DeleteMarker";
        if (!version.is_delete_marker && child.name != "Version") continue;
        HF_TRY(version.object, parse_object(child, head.is_encoded,
                                            version.is_delete_marker ? HasContent::no : HasContent::yes));
        const std::string& key = version.object.key;
        HF_TRY_STATUS(check_key(key, prefix));
        if (!page.versions.empty() && key < page.versions.back().object.key)
            return damaged(key + " is not in order");
        version.id = child.child_text("VersionId");
        if (version.id.empty()) return damaged("a version of " + key + " without an id");
        if (child.child_text("LastModified").empty()) return damaged("a version of " + key + " without a time");
        version.is_latest = child.child_text("IsLatest") == "true";
        page.versions.push_back(std::move(version));
    }
    page.goes_on = head.goes_on;
    if (page.goes_on) {
        HF_TRY(page.next_key, parse_marker(root.child_text("NextKeyMarker"), head.is_encoded, page.versions));
        page.next_id = root.child_text("NextVersionIdMarker");
        if (page.next_key.empty()) return damaged("it goes on, and does not say where");
    }
    return page;
}

Result<std::vector<S3UploadInfo>> parse_uploads(ByteSpan body) {
    HF_TRY(const XmlElement root, parse_xml(body));
    const bool is_encoded = root.child_text("EncodingType") == "url";
    std::vector<S3UploadInfo> uploads;
    for (const XmlElement& child : root.children) {
        if (child.name != "Upload") continue;
        S3UploadInfo upload;
        HF_TRY(upload.key, decode_key(child.child_text("Key"), is_encoded));
        HF_TRY(upload.begun, parse_rfc3339(child.child_text("Initiated")));
        upload.id = child.child_text("UploadId");
        uploads.push_back(std::move(upload));
    }
    return uploads;
}

}  // namespace holdfast
