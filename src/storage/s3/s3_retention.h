// Object lock of an S3 service.
#pragma once

#include "s3/s3_client.h"
#include "storage/s3/s3_versions.h"
#include "storage/storage.h"

namespace holdfast {

class S3Retention final : public RetentionLock {
  public:
    S3Retention(S3Client& client, S3Versions& versions) : client_(client), versions_(versions) {}

    void lock_new(LockMode mode, TimeNs duration, std::function<bool(const std::string&)> is_locked) override;
    TimeNs now() const override { return client_.now(); }
    Result<std::optional<TimeNs>> locked_until(const std::string& name) override;
    Status extend(const std::string& name, TimeNs until) override;
    Status prove(LockMode mode) override;

    // What a request that makes the object says of its lock.
    void add_headers(S3Request& request, const std::string& name) const;

  private:
    Result<std::optional<TimeNs>> locked_until(const std::string& name, const std::string& version);
    Status prove_lock(LockMode mode);
    Status prove_no_default();
    S3Request request_for(std::string method, const std::string& name, const std::string& version) const;

    S3Client& client_;
    S3Versions& versions_;
    mutable std::mutex mutex_;  // guards what follows
    LockMode mode_ = LockMode::compliance;
    TimeNs duration_ = 0;
    std::function<bool(const std::string&)> is_locked_;
};

}  // namespace holdfast
