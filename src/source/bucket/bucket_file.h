// An object that is being read.
#pragma once

#include <atomic>

#include "s3/object_attributes.h"
#include "s3/object_reader.h"
#include "source/bucket/listed_tree.h"
#include "source/source.h"

namespace holdfast {

// What is known of an object from the listing; its ETag, version and deletion are among the extended attributes.
Metadata metadata_of(const ListedObject& object);
Metadata directory_metadata();

// Content and metadata come as s3/object_reader.h has them: the first request begins when it is made. An object that is
// replaced meanwhile is `conflict`, and never mixed.
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
    void take(const Metadata& listed);

    S3Client& client_;
    const std::string key_;
    std::atomic<bool>& sends_conditions_;
    Metadata listed_;
    std::string version_;
    std::optional<ObjectReader> reader_;  // none of a mark of deletion
};

}  // namespace holdfast
