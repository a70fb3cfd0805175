// A repository in a bucket of an S3 service.
#pragma once

#include "s3/s3_client.h"
#include "s3/upload.h"
#include "storage/s3/s3_cold_tier.h"
#include "storage/s3/s3_retention.h"
#include "storage/s3/s3_versions.h"
#include "storage/storage.h"

namespace holdfast {

// An object of the repository is an object of the bucket: the prefix, '/', the name. What is acknowledged is durable:
// barrier() and Durability have nothing to do. Writers keep two parts in memory, 16 MiB.
// docs/explanation/object-storage.md says what is asked of a service.
class S3Storage final : public Storage {
  public:
    // `location` is what follows "s3:" (parse_s3_location). With OpenMode::create a bucket that is missing is made.
    static Result<std::unique_ptr<Storage>> open(const std::string& location,
                                                 OpenMode mode,
                                                 const StorageOptions& options);

    std::string description() const override { return client_->location().description(); }
    StorageTraits traits() const override { return {.is_remote = true}; }
    RetentionLock* retention() override { return &retention_; }
    ColdTier* cold_tier() override { return &cold_tier_; }
    Status put(const std::string& name, ByteSpan data, Durability durability) override;
    Result<std::unique_ptr<ObjectWriter>> begin(const std::string& name) override;
    Result<std::unique_ptr<ObjectWriter>> begin_again(const std::string& name) override;
    Status adopt(const std::string& name) override;
    Status barrier() override { return {}; }
    Result<std::size_t> read_some(const std::string& name, std::uint64_t offset, MutableByteSpan out) override;
    Result<Bytes> get(const std::string& name, std::uint64_t limit_bytes) override;
    Result<ObjectInfo> head(const std::string& name) override;
    Status list(const std::string& prefix,
                const std::function<bool(const ObjectInfo&)>& visit) override;
    Status remove(const std::string& name) override;

  private:
    class Writer;
    // Whether a name may be taken already.
    enum class Existing : std::uint8_t { refuse, replace };

    explicit S3Storage(std::unique_ptr<S3Client> client)
        : client_(std::move(client)), versions_(*client_), retention_(*client_, versions_), cold_tier_(*client_, versions_) {}
    std::vector<HttpHeader> headers_for(const std::string& name) const;
    S3UploadOptions upload_options(const std::string& name, Existing existing);
    Result<HttpResponse> fetch(const S3Request& request, const std::string& name);
    Status settle(const std::string& name, const HttpResponse& stored, std::uint64_t bytes, Existing existing);
    Status remove_version(const std::string& name, const std::string& version);
    std::string key_of(const std::string& name) const;
    S3Request request(std::string method, const std::string& name) const;
    Status put(const std::string& name, ByteSpan data, Existing existing);
    void remove_old_uploads();

    const std::unique_ptr<S3Client> client_;
    S3Versions versions_;
    S3Retention retention_;
    S3ColdTier cold_tier_;
    std::mutex mutex_;  // guards what follows
    bool has_looked_for_uploads_ = false;
};

}  // namespace holdfast
