// Archive classes of an S3 service.
#pragma once

#include <atomic>
#include <set>

#include "s3/s3_client.h"
#include "storage/s3/s3_versions.h"
#include "storage/storage.h"

namespace holdfast {

// What is asked for is asked for by name, or where only the first version counts by that. Memory: 100 bytes for each name
// that INTELLIGENT_TIERING has archived, and 64 requests.
class S3ColdTier final : public ColdTier {
  public:
    S3ColdTier(S3Client& client, S3Versions& versions);

    bool may_be_frozen() const override { return may_be_frozen_; }
    TimeNs now() const override { return client_.now(); }
    Status look(std::span<const std::string> names, const Visit& visit) override;
    Status thaw(std::span<const std::string> names, const ThawRequest& request) override;

    // A read has been refused.
    Error frozen(const std::string& name);

  private:
    using Make = std::function<Result<S3Request>(const std::string& name)>;
    using Take = std::function<Status(const std::string& name, const Result<HttpResponse>& answer)>;
    Status for_each_answer(std::span<const std::string> names, const Make& make, const Take& take);
    Result<S3Request> request_for(std::string method, const std::string& name);
    Status look_at_folder(std::span<const std::string> names, const Visit& visit);
    Status look_at_each(std::span<const std::string> names, const Visit& visit);
    Result<Readability> readability_in(const std::string& name, const HttpResponse& answer);
    bool is_tiered(const std::string& name) const;
    std::string key_of(const std::string& name) const;

    S3Client& client_;
    S3Versions& versions_;
    std::atomic<bool> may_be_frozen_;
    mutable std::mutex mutex_;      // guards what follows
    std::set<std::string> tiered_;  // archived by INTELLIGENT_TIERING
};

}  // namespace holdfast
