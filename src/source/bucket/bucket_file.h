// An object that is being read.
#pragma once

#include <atomic>
#include <map>

#include "s3/object_attributes.h"
#include "s3/s3_client.h"
#include "source/bucket/listed_tree.h"
#include "source/source.h"

namespace holdfast {

// What is known of an object from the listing; its ETag, version and deletion are among the extended attributes.
Metadata metadata_of(const ListedObject& object);
Metadata directory_metadata();

// Content comes in ranges of 4 MiB, of which the next three are on their way while one is read: 16 MiB. The first
// request begins when it is made, and its answer tells the metadata too, so that a small object is one request. Each
// answer must have the ETag of the listing: an object that is replaced meanwhile is `conflict`, and never mixed. A
// condition saves the bytes of another one; `sends_conditions`, which files share, becomes false where a service denies
// a condition that holds (some gateways compare the quotation marks too).
class BucketFile final : public SourceFile {
  public:
    BucketFile(S3Client& client, std::string key, const Metadata& listed, std::atomic<bool>& sends_conditions);

    Result<Metadata> metadata() override;
    // What has been read is of one version, or reading has failed.
    Result<bool> has_changed(const Metadata&) override { return false; }
    Result<std::vector<ExtendedAttribute>> xattrs() override;
    Result<std::vector<SourceExtent>> extents(std::uint64_t bytes) override;
    Result<std::size_t> read(std::uint64_t offset, MutableByteSpan out) override;

  private:
    // A range, on its way or there.
    struct Range {
        Bytes data;
        std::unique_ptr<S3Call> call;  // null when it is there
    };

    void take(const Metadata& listed);
    std::unique_ptr<S3Call> ask(const char* method, MutableByteSpan into, std::uint64_t offset) const;
    void start_range(std::uint64_t number);
    Result<const Range*> range(std::uint64_t number);
    bool is_still_there() const;
    Result<HttpResponse> answer_to(Range& range, std::uint64_t number) const;
    Result<HttpResponse> check(Result<HttpResponse> response) const;
    void take_attributes(const HttpResponse& answer);
    Status await_attributes();

    S3Client& client_;
    const std::string key_;
    std::atomic<bool>& sends_conditions_;
    Metadata listed_;
    std::string etag_, version_;
    bool is_delete_marker_ = false;
    std::unique_ptr<S3Call> empty_call_;                      // of an empty object, which has no range
    std::optional<std::vector<ObjectAttribute>> attributes_;  // of the first answer
    bool has_tags_ = false;
    std::map<std::uint64_t, Range> ranges_;  // by number; a range does not move while its call is on its way
};

}  // namespace holdfast
