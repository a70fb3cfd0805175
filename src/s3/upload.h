// An object that is sent as it is made.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "s3/s3_client.h"

namespace holdfast {

struct S3UploadOptions {
    // Of the object: its type, class, metadata. Called once, when it is begun. May be empty.
    std::function<std::vector<HttpHeader>()> headers;
    std::vector<HttpHeader> conditions;  // that its end depends on
    // The least that a service takes is 5 MiB, but for the last part, and it takes 10,000 of them; at 8 MiB the two
    // requests beside the parts are few.
    std::size_t part_bytes = 8u << 20;
    // What is less than a part is put whole, else as one part: its ETag shows which.
    enum class Small : std::uint8_t { whole, one_part } small = Small::whole;
};

// Collects parts; an object of less than a part is put whole, unless something else is asked for. One part is on its way while the next one fills: two
// parts of memory. Destroyed without a commit, it leaves nothing behind. For one thread.
class S3Upload {
  public:
    S3Upload(S3Client& client, std::string key, S3UploadOptions options)
        : client_(client), key_(std::move(key)), options_(std::move(options)) {}
    ~S3Upload();
    S3Upload(const S3Upload&) = delete;
    S3Upload& operator=(const S3Upload&) = delete;

    Status append(ByteSpan data);
    // All of it, while no part has been sent.
    ByteSpan unsent() const { return filling_; }
    bool has_parts() const { return !id_.empty(); }
    std::uint64_t bytes() const { return total_bytes_; }
    // The object is there, durably; the answer that says so. Errors: already_exists when the conditions do not hold.
    Result<HttpResponse> commit();

    // A part size for an object of so many bytes: a service takes no more than 10,000 parts.
    static std::size_t part_bytes_for(std::uint64_t bytes);
    // The size of parts that gives an object of so many bytes this ETag again, which ends with the number of parts: that
    // of a program that is known. Nothing when none of them fits, or the ETag is none of parts.
    static std::optional<std::size_t> part_bytes_like(const std::string& etag, std::uint64_t bytes);

  private:
    Status begin();
    Status send_part();
    Status await_part();
    Result<HttpResponse> complete();
    S3Request request(std::string method) const;
    std::vector<HttpHeader> headers() const { return options_.headers ? options_.headers() : std::vector<HttpHeader>(); }

    S3Client& client_;
    const std::string key_;
    const S3UploadOptions options_;
    Bytes filling_, sending_;
    std::uint64_t total_bytes_ = 0;
    std::string id_;
    std::vector<std::string> tags_;  // of the parts that are stored
    std::unique_ptr<S3Call> in_flight_;
    bool is_done_ = false;
};

// The size that an answer tells. Errors: corrupt.
Result<std::uint64_t> size_in(const HttpResponse& response, const std::string& name);

}  // namespace holdfast
