#include "storage/s3/s3_listing.h"

#include <charconv>

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

}  // namespace

Result<S3ListingPage> parse_listing(ByteSpan body, const std::string& prefix) {
    const auto damaged = [](const std::string& what) {
        return Error(ErrorCode::corrupt, "a listing is not what it should be: " + what);
    };
    HF_TRY(const XmlElement root, parse_xml(body));
    if (root.name != "ListBucketResult") return damaged("'" + root.name + "'");
    const std::string truncated = root.child_text("IsTruncated");
    if (truncated != "true" && truncated != "false") return damaged("it does not say whether it is all");
    const bool is_encoded = root.child_text("EncodingType") == "url";
    S3ListingPage page;
    for (const XmlElement& child : root.children) {
        if (child.name != "Contents") continue;
        ObjectInfo info;
        HF_TRY(info.name, decode_key(child.child_text("Key"), is_encoded));
        const auto bytes = parse_number(child.child_text("Size"));
        if (!bytes) return damaged("no size of " + info.name);
        info.bytes = *bytes;
        if (!info.name.starts_with(prefix)) return damaged(info.name + " is not below " + prefix);
        if (!page.objects.empty() && info.name <= page.objects.back().name)
            return damaged(info.name + " is not in order");
        page.objects.push_back(std::move(info));
    }
    if (truncated == "true") {
        page.continuation = root.child_text("NextContinuationToken");
        if (page.continuation.empty()) return damaged("it goes on, and does not say where");
    }
    if (const auto count = parse_number(root.child_text("KeyCount")); count && *count != page.objects.size())
        return damaged("fewer keys than it says");
    return page;
}

Result<S3VersionsPage> parse_versions(ByteSpan body, const std::string& prefix) {
    const auto damaged = [](const std::string& what) {
        return Error(ErrorCode::corrupt, "a listing of versions is not what it should be: " + what);
    };
    HF_TRY(const XmlElement root, parse_xml(body));
    if (root.name != "ListVersionsResult") return damaged("'" + root.name + "'");
    const std::string truncated = root.child_text("IsTruncated");
    if (truncated != "true" && truncated != "false") return damaged("it does not say whether it is all");
    const bool is_encoded = root.child_text("EncodingType") == "url";
    S3VersionsPage page;
    for (const XmlElement& child : root.children) {
        S3ListedVersion version;
        version.is_delete_marker = child.name == "DeleteMarker";
        if (child.name != "Version" && !version.is_delete_marker) continue;
        HF_TRY(version.key, decode_key(child.child_text("Key"), is_encoded));
        version.id = child.child_text("VersionId");
        HF_TRY(version.modified, parse_rfc3339(child.child_text("LastModified")));
        const auto bytes = version.is_delete_marker ? std::optional<std::uint64_t>(0) : parse_number(child.child_text("Size"));
        if (!bytes || version.id.empty()) return damaged("no size or no version of " + version.key);
        version.bytes = *bytes;
        if (!version.key.starts_with(prefix)) return damaged(version.key + " is not below " + prefix);
        if (!page.versions.empty() && version.key < page.versions.back().key)
            return damaged(version.key + " is not in order");
        page.versions.push_back(std::move(version));
    }
    page.is_last = truncated == "false";
    if (!page.is_last) {
        HF_TRY(page.key_marker, decode_key(root.child_text("NextKeyMarker"), is_encoded));
        page.version_marker = root.child_text("NextVersionIdMarker");
        if (page.key_marker.empty()) return damaged("it goes on, and does not say where");
    }
    return page;
}

Result<std::vector<S3Upload>> parse_uploads(ByteSpan body) {
    HF_TRY(const XmlElement root, parse_xml(body));
    const bool is_encoded = root.child_text("EncodingType") == "url";
    std::vector<S3Upload> uploads;
    for (const XmlElement& child : root.children) {
        if (child.name != "Upload") continue;
        S3Upload upload;
        HF_TRY(upload.key, decode_key(child.child_text("Key"), is_encoded));
        HF_TRY(upload.begun, parse_rfc3339(child.child_text("Initiated")));
        upload.id = child.child_text("UploadId");
        uploads.push_back(std::move(upload));
    }
    return uploads;
}

}  // namespace holdfast
