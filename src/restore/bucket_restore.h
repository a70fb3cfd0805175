// A restore point, or a part of it, into a bucket.
#pragma once

#include "restore/restore.h"
#include "s3/s3_client.h"

namespace holdfast {

struct BucketRestoreOptions {
    // What the names of the restore point are.
    enum class Names : std::uint8_t {
        of_files,   // a path is a key
        of_bucket,  // as s3/key_path.h has them
    } names = Names::of_files;
    Overwrite overwrite = Overwrite::never;
    enum class Mode : std::uint8_t { write, dry_run } mode = Mode::write;
    // As RestoreOptions has it.
    std::function<Status(const Entry&)> on_content{};
};

// Puts each file of `entry` (the root of a point, a directory or a file in it) below the client's prefix, with what
// user.s3 says that an object has; large ones in parts. Older versions come first, oldest first, where the bucket keeps
// versions and has none of the key. A bucket that is missing is made, and keeps versions when the point has some. What a
// bucket cannot hold (links, devices) is a problem in the report. With Overwrite::changed an object of the same size and
// ETag stays. Memory: four threads with 2 MiB of small objects, or two parts of a large one, each, and what they read.
// Errors: already_exists when something is below the prefix and nothing may be overwritten; cancelled; frozen; those of the
// bucket and of the repository.
Result<RestoreReport> run_bucket_restore(Repository& repository,
                                         const Entry& entry,
                                         S3Client& client,
                                         const BucketRestoreOptions& options,
                                         Progress& progress,
                                         std::stop_token stop);

}  // namespace holdfast
