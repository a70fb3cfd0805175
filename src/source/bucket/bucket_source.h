// Source `s3`: the objects of a bucket, or of a part of one, with their metadata.
#pragma once

#include <atomic>

#include "s3/s3_client.h"
#include "source/source.h"

namespace holdfast {

// Which versions of an object are read.
enum class ObjectVersions : std::uint8_t { current, all };

// Keys are paths (s3/key_path.h), and what an object has besides its content are extended attributes
// (s3/object_attributes.h). The listing alone tells whether an object has changed: its size, the time of its last
// change and its ETag, which stands in for the inode. docs/adr/0019-buckets-as-sources.md.
class BucketSource final : public Source {
  public:
    explicit BucketSource(std::unique_ptr<S3Client> client, ObjectVersions versions = ObjectVersions::current)
        : client_(std::move(client)), versions_(versions) {}

    // One request for each 1,000 objects (or versions), all of them before the first event.
    Result<std::unique_ptr<SourceStream>> walk() override;
    // Begins the first request of the content, and does not wait for it.
    Result<std::unique_ptr<SourceFile>> open(const SourceEvent& event) override;
    Status complete(const SourceEvent&, Metadata&) override { return {}; }
    std::size_t opens_ahead() const override;

  private:
    const std::unique_ptr<S3Client> client_;
    const ObjectVersions versions_;
    std::atomic<bool> sends_conditions_{true};  // BucketFile
};

}  // namespace holdfast
