#include "s3/object_attributes.h"

#include <algorithm>
#include <array>

namespace holdfast {
namespace {

struct KnownHeader {
    std::string_view header;
    std::string_view attribute;  // behind the prefix
    bool can_be_given = true;
};
constexpr std::array<KnownHeader, 13> known_headers{{
    {"cache-control", "cache-control"},
    {"content-disposition", "content-disposition"},
    {"content-encoding", "content-encoding"},
    {"content-language", "content-language"},
    {"content-type", "content-type"},
    {"etag", "etag", false},
    {"expires", "expires"},
    {"x-amz-object-lock-legal-hold", "legal-hold", false},
    {"x-amz-object-lock-mode", "lock-mode", false},
    {"x-amz-object-lock-retain-until-date", "lock-until", false},
    {"x-amz-storage-class", "storage-class"},
    {"x-amz-version-id", "version-id", false},
    {"x-amz-website-redirect-location", "website-redirect-location"},
}};
constexpr std::string_view meta_header = "x-amz-meta-", meta_attribute = "meta.";
constexpr std::string_view usual_class = "STANDARD";

std::string attribute_name(std::string_view header) {
    if (header.starts_with(meta_header))
        return std::string(object_attribute_prefix) + std::string(meta_attribute) +
               std::string(header.substr(meta_header.size()));
    for (const KnownHeader& known : known_headers)
        if (known.header == header) return std::string(object_attribute_prefix) + std::string(known.attribute);
    return "";
}

// As names of headers are signed.
std::string small_letters(std::string_view text) {
    std::string small(text);
    for (char& c : small)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return small;
}

bool is_plain(std::string_view text) {
    return std::none_of(text.begin(), text.end(), [](char c) {
        return static_cast<unsigned char>(c) < ' ' || c == '\x7f';
    });
}

}  // namespace

std::vector<ObjectAttribute> attributes_in(const HttpResponse& response) {
    std::vector<ObjectAttribute> attributes;
    for (const HttpHeader& header : response.headers) {
        std::string name = attribute_name(header.name);
        if (name.empty()) continue;
        std::string value = name == etag_attribute ? plain_etag(header.value) : header.value;
        attributes.push_back({std::move(name), std::move(value)});
    }
    std::sort(attributes.begin(), attributes.end());
    // A header that comes twice is one attribute.
    const auto same_name = [](const ObjectAttribute& a, const ObjectAttribute& b) { return a.name == b.name; };
    attributes.erase(std::unique(attributes.begin(), attributes.end(), same_name), attributes.end());
    return attributes;
}

bool has_tags(const HttpResponse& response) {
    return response.header("x-amz-tagging-count").value_or("0") != "0";
}

Result<std::string> read_tags(S3Client& client, const std::string& key, const std::string& version) {
    S3Request ask;
    ask.key = key;
    ask.query = {{"tagging", ""}};
    if (!version.empty()) ask.query.emplace_back("versionId", version);
    HF_TRY(const HttpResponse response, client.call(std::move(ask)));
    // Ceph's gateway has an empty answer for an object of parts that was given none.
    if (response.body.empty()) return std::string();
    HF_TRY(const XmlElement root, parse_xml(response.body));
    QueryParameters tags;
    if (const XmlElement* const set = root.child("TagSet"))
        for (const XmlElement& tag : set->children)
            if (tag.name == "Tag") tags.emplace_back(tag.child_text("Key"), tag.child_text("Value"));
    return encode_query(tags);
}

Status put_tags(S3Client& client, const std::string& key, const std::string& tags, const std::string& version) {
    HF_TRY(const QueryParameters list, parse_query(tags));
    std::string body = "<Tagging><TagSet>";
    for (const auto& [name, value] : list)
        body += "<Tag><Key>" + xml_escape(name) + "</Key><Value>" + xml_escape(value) + "</Value></Tag>";
    body += "</TagSet></Tagging>";
    S3Request put;
    put.method = "PUT";
    put.key = key;
    put.query = {{"tagging", ""}};
    if (!version.empty()) put.query.emplace_back("versionId", version);
    put.body = as_bytes(body);
    HF_TRY_STATUS(client.call(std::move(put)));
    return {};
}

Result<std::vector<HttpHeader>> headers_of(const ObjectAttribute& attribute) {
    const bool is_ours = attribute.name.starts_with(object_attribute_prefix);
    // A line break would be another header.
    if (is_ours && !(is_plain(attribute.name) && is_plain(attribute.value)))
        return Error(ErrorCode::invalid_argument, "an attribute of an object that no header can hold");
    if (attribute.name == tags_attribute) return std::vector<HttpHeader>{{"x-amz-tagging", attribute.value}};
    std::string_view name = attribute.name;
    if (!is_ours) return std::vector<HttpHeader>{};
    name.remove_prefix(object_attribute_prefix.size());
    if (name.starts_with(meta_attribute) && name.size() > meta_attribute.size())
        return std::vector<HttpHeader>{{std::string(meta_header) + small_letters(name.substr(meta_attribute.size())), attribute.value}};
    for (const KnownHeader& known : known_headers)
        if (known.attribute == name && known.can_be_given && attribute.value != usual_class)
            return std::vector<HttpHeader>{{std::string(known.header), attribute.value}};
    return std::vector<HttpHeader>{};
}

}  // namespace holdfast
