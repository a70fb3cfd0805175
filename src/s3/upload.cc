#include "s3/upload.h"

#include <algorithm>
#include <charconv>

namespace holdfast {

Result<std::uint64_t> size_in(const HttpResponse& response, const std::string& name) {
    const std::string text = response.header("content-length").value_or("");
    std::uint64_t bytes = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), bytes);
    if (error != std::errc{} || end != text.data() + text.size() || text.empty())
        return Error(ErrorCode::corrupt, name + ": the service does not say how long it is");
    return bytes;
}

std::size_t S3Upload::part_bytes_for(std::uint64_t bytes) {
    constexpr std::uint64_t usual = 8u << 20, mebibyte = 1u << 20, max_parts = 10'000;
    const std::uint64_t needed = (bytes / max_parts + mebibyte) / mebibyte * mebibyte;
    return static_cast<std::size_t>(std::max(usual, needed));
}

std::optional<std::size_t> S3Upload::part_bytes_like(const std::string& etag, std::uint64_t bytes) {
    constexpr std::uint64_t mebibyte = 1u << 20;
    const std::size_t dash = etag.rfind('-');
    if (dash == std::string::npos) return std::nullopt;
    std::uint64_t parts = 0;
    const char* const end = etag.data() + etag.size();
    const auto [rest, error] = std::from_chars(etag.data() + dash + 1, end, parts);
    if (error != std::errc{} || rest != end || parts == 0) return std::nullopt;
    for (const std::uint64_t size : {8u, 5u, 16u, 15u, 10u})
        if ((bytes + size * mebibyte - 1) / (size * mebibyte) == parts) return static_cast<std::size_t>(size * mebibyte);
    return std::nullopt;
}

S3Upload::~S3Upload() {
    in_flight_.reset();
    if (id_.empty() || is_done_) return;
    S3Request abort = request("DELETE");
    abort.query = {{"uploadId", id_}};
    // What cannot be taken back now is for the bucket's own rules.
    (void)client_.call(std::move(abort)).ok();
}

S3Request S3Upload::request(std::string method) const {
    S3Request request;
    request.method = std::move(method);
    request.key = key_;
    return request;
}

Status S3Upload::append(ByteSpan data) {
    while (!data.empty()) {
        if (filling_.size() == options_.part_bytes) HF_TRY_STATUS(send_part());
        const std::size_t part = std::min(data.size(), options_.part_bytes - filling_.size());
        filling_.insert(filling_.end(), data.begin(), data.begin() + static_cast<std::ptrdiff_t>(part));
        total_bytes_ += part;
        data = data.subspan(part);
    }
    return {};
}

Result<HttpResponse> S3Upload::commit() {
    if (!has_parts() && options_.small == S3UploadOptions::Small::whole) {
        S3Request put = request("PUT");
        put.headers = headers();
        put.headers.insert(put.headers.end(), options_.conditions.begin(), options_.conditions.end());
        put.body = filling_;
        return client_.call(std::move(put));
    }
    HF_TRY_STATUS(send_part());
    HF_TRY_STATUS(await_part());
    return complete();
}

Status S3Upload::begin() {
    S3Request begin = request("POST");
    begin.query = {{"uploads", ""}};
    begin.headers = headers();
    HF_TRY(const HttpResponse response, client_.call(std::move(begin)));
    HF_TRY(const XmlElement root, parse_xml(response.body));
    id_ = root.child_text("UploadId");
    if (id_.empty()) return Error(ErrorCode::corrupt, key_ + ": the service names no upload");
    return {};
}

Status S3Upload::send_part() {
    if (id_.empty()) HF_TRY_STATUS(begin());
    HF_TRY_STATUS(await_part());
    std::swap(filling_, sending_);
    filling_.clear();
    S3Request part = request("PUT");
    part.query = {{"partNumber", std::to_string(tags_.size() + 1)}, {"uploadId", id_}};
    part.body = sending_;
    in_flight_ = client_.start(std::move(part));
    return {};
}

Status S3Upload::await_part() {
    if (!in_flight_) return {};
    const auto response = in_flight_->wait();
    in_flight_.reset();
    if (!response.ok()) return response.error();
    const auto tag = response->header("etag");
    if (!tag) return Error(ErrorCode::corrupt, key_ + ": the service gives a part no tag");
    tags_.push_back(*tag);
    return {};
}

Result<HttpResponse> S3Upload::complete() {
    std::string list = "<CompleteMultipartUpload>";
    for (std::size_t i = 0; i < tags_.size(); ++i)
        list += "<Part><PartNumber>" + std::to_string(i + 1) + "</PartNumber><ETag>" + xml_escape(tags_[i]) +
                "</ETag></Part>";
    list += "</CompleteMultipartUpload>";
    S3Request end = request("POST");
    end.query = {{"uploadId", id_}};
    end.headers = options_.conditions;
    end.body = as_bytes(list);
    const auto call = client_.start(std::move(end));
    auto response = call->wait();
    is_done_ = response.ok();
    if (is_done_) return response;
    const ErrorCode code = response.error().code();
    if (call->tries() == 1 || (code != ErrorCode::not_found && code != ErrorCode::already_exists)) return response;
    // An earlier try was carried out, and its answer was lost.
    auto stored = client_.call(request("HEAD"));
    const auto bytes = stored.ok() ? size_in(*stored, key_) : Result<std::uint64_t>(stored.error());
    is_done_ = bytes.ok() && *bytes == total_bytes_;
    return is_done_ ? stored : response;
}

}  // namespace holdfast
