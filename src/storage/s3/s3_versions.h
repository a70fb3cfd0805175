// Which version of an object counts, in a bucket with object lock.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <set>

#include "s3/bucket.h"

namespace holdfast {

struct S3KeptVersion {
    std::string id;
    std::uint64_t bytes = 0;
    TimeNs modified = 0;
};

// Names are written once: where object lock keeps all versions, the first one is the repository's, and whatever came
// later, another content or a mark that it is deleted, is somebody else's. Removing is removing all versions there. In any
// other bucket, with versions or without, the latest one counts, as the service has it. Which kind it is tells the first
// answer, and one request more if the bucket keeps versions.
// Thread-safe. Memory: 200 bytes for each object of a folder that was looked at.
class S3Versions {
  public:
    explicit S3Versions(S3Client& client) : client_(client) {}

    // Whether the first version counts.
    bool are_kept() const;
    bool is_known() const;
    // From an answer to a request for `name`. Where there is nothing of that name, its versions are looked at.
    Status learn(const std::string& name, const Result<HttpResponse>& response);
    void add(const std::string& name, S3KeptVersion version);
    void forget(const std::string& name);

    // Nothing when there is none. The first look into a folder lists all of it.
    Result<std::optional<S3KeptVersion>> first(const std::string& name);
    // All versions and marks of the name, the newest first.
    Result<std::vector<S3Version>> all(const std::string& name);
    // As Storage::list().
    using Visit = std::function<bool(const std::string& name, const S3KeptVersion& version)>;
    Status list(const std::string& prefix, const Visit& visit);

  private:
    std::string key_of(const std::string& name) const;
    Result<bool> has_object_lock();
    Status list_name(const std::string& name, const std::function<void(const S3Version&)>& visit);

    S3Client& client_;
    mutable std::mutex mutex_;  // guards what follows
    std::optional<bool> are_kept_;
    std::map<std::string, S3KeptVersion> known_;
    std::set<std::string> listed_;  // folders
};

}  // namespace holdfast
