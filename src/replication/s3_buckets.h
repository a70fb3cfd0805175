// The two buckets of a replica, at S3 services.
#pragma once

#include <atomic>

#include "base/bounded_queue.h"
#include "replication/replica_buckets.h"
#include "s3/bucket.h"
#include "s3/object_reader.h"

namespace holdfast {

// Every object that is put gets this as user metadata, with the identity of the source's version in it.
inline constexpr std::string_view mark_name = "holdfast-source-version";

// An object of up to 16 MiB that was not uploaded in parts is put whole and has the same ETag; any other one goes in parts
// of the source's size, up to 32 MiB. Memory of a put: the object and 8 MiB, or 8 MiB and two parts (more for objects
// of more than 300 GB).
class S3Buckets final : public ReplicaBuckets {
  public:
    // Asks whether the source has locks. Both clients outlive it.
    static Result<std::unique_ptr<S3Buckets>> open(S3Client& source, S3Client& target);

    Status list_source(std::span<const std::string> borders, const VisitVersion& visit) override;
    PutOutcome put(const SourceVersion& version) override;
    Result<VersionLock> mend(const SourceVersion& version, const std::string& target_id) override;
    Result<std::vector<TargetVersion>> newer_at_target(const std::string& key, const std::string& after) override;
    Status list_target(const VisitKey& visit) override;
    bool has_locks() const override { return has_locks_; }
    Result<std::optional<VersionLock>> follow_lock(const SourceVersion& version,
                                                   const std::string& target_id,
                                                   const VersionLock& known) override;
    TimeNs now() const override { return source_.now(); }

  private:
    // What is put besides the content.
    struct Dress {
        std::vector<HttpHeader> headers;
        std::string tags;
        VersionLock lock;
    };
    struct KeyAndVersion {
        std::string key;
        TargetVersion* version;
    };

    // A page or so of one range; of the last one `is_end`, with the error that ended it.
    struct ListedBatch {
        std::size_t range = 0;
        std::vector<SourceVersion> versions;
        bool is_end = false;
        Status status;
    };

    S3Buckets(S3Client& source, S3Client& target, bool has_locks);
    Status list_range(std::span<const std::string> borders, std::size_t range, BoundedQueue<ListedBatch>& queue);
    std::string source_key(const std::string& key) const { return source_prefix_ + key; }
    std::string target_key(const std::string& key) const { return target_prefix_ + key; }
    Result<Dress> dress_of(const SourceVersion& version, const HttpResponse& answer);
    PutOutcome put_marker(const SourceVersion& version);
    PutOutcome put_object(const SourceVersion& version);
    PutOutcome put_whole(const SourceVersion& version, const Dress& dress, ObjectReader& reader);
    PutOutcome put_parts(const SourceVersion& version, const Dress& dress, ObjectReader& reader);
    Status confirm(const SourceVersion& version, const Dress& dress, PutOutcome& outcome);
    Result<bool> is_gone(const SourceVersion& version);
    Result<std::size_t> part_bytes_of(const SourceVersion& version);
    Status read_marks(std::span<const KeyAndVersion> versions);

    S3Client& source_;
    S3Client& target_;
    const std::string source_prefix_, target_prefix_;
    const bool has_locks_;
    std::atomic<bool> sends_conditions_{true};  // ObjectReader
};

}  // namespace holdfast
