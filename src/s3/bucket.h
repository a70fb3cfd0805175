// What is asked of a whole bucket: to be there, and what it holds.
#pragma once

#include <functional>
#include <optional>
#include <stop_token>

#include "s3/listing.h"
#include "s3/s3_client.h"

namespace holdfast {

// A client with the settings of an environment. `ca_file`: certificates that are trusted, in PEM; empty:
// AWS_CA_BUNDLE, else those of the system. `limits` are of one client. Errors: of the certificates.
Result<std::unique_ptr<S3Client>> open_s3_client(S3Location location,
                                                 const std::string& ca_file,
                                                 const BackoffPolicy& backoff,
                                                 std::stop_token stop,
                                                 const Environment& environment,
                                                 const BandwidthLimits& limits = {});

enum class BucketState : std::uint8_t { was_there, made };
enum class ObjectLock : std::uint8_t { no, yes };
// Makes the client's bucket, in the region of its location, if it is missing.
Result<BucketState> make_bucket(S3Client& client, ObjectLock lock = ObjectLock::no);

// One page of a listing; what may be less than all is asked for again a few times, and is then the service's fault
// (unavailable), not damage. `max_keys` 0: as many as the service gives at once (1,000).
Result<S3ListingPage> list_page(S3Client& client,
                                const std::string& prefix,
                                const std::string& continuation,
                                unsigned max_keys = 0);

// All objects whose keys begin with `prefix`, in order of their keys, until `visit` returns false. One request for
// each 1,000. Errors: unavailable, also for a listing that goes back; those of `visit`.
Status for_each_object(S3Client& client,
                       const std::string& prefix,
                       const std::function<Result<bool>(S3Object&)>& visit);
// The versions below a prefix in order of their keys, of one key the newest first; a request for each 1,000. For one
// thread; one page of memory. Errors: as for_each_object().
class VersionLister {
  public:
    // Of keys behind `after`; empty: all.
    VersionLister(S3Client& client, std::string prefix, std::string after = "")
        : client_(client), prefix_(std::move(prefix)), after_(std::move(after)) {
        page_.next_key = after_;
    }

    // The next one; nothing at the end of a listing that is complete.
    Result<std::optional<S3Version>> next();
    // What has been asked for so far.
    std::uint64_t requests() const { return requests_; }

  private:
    Status ask();

    S3Client& client_;
    const std::string prefix_, after_;
    S3VersionPage page_;
    std::size_t place_ = 0;  // in the page, of the next one
    std::string last_;       // the key of the last one
    bool is_begun_ = false;
    std::uint64_t requests_ = 0;
};
Status for_each_version(S3Client& client,
                        const std::string& prefix,
                        const std::function<Result<bool>(S3Version&)>& visit);

// Whether the bucket keeps what is replaced or deleted.
Result<bool> keeps_versions(S3Client& client);
Status keep_versions(S3Client& client);
// Whether the bucket can lock what it has. Errors: those of a service that cannot be asked; one that does not know the
// question has no locks.
Result<bool> has_object_lock(S3Client& client);

}  // namespace holdfast
