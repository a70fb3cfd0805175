#include "replication/bucket_rules.h"

namespace holdfast {
namespace {

// What the target gets would come back as something new of the source.
Status check_apart(const S3Location& source, const S3Location& target) {
    if (source.authority != target.authority || source.bucket != target.bucket) return {};
    const std::string a = source.key_prefix(), b = target.key_prefix();
    if (!a.starts_with(b) && !b.starts_with(a)) return {};
    return Error(ErrorCode::invalid_argument, "the target " + target.description() + " is the source " +
                                                  source.description() + ", or one is in the other");
}

Status require_versions(S3Client& client, const char* side, BucketRules::Versions rule) {
    HF_TRY(const bool are_kept, keeps_versions(client));
    if (are_kept) return {};
    if (rule == BucketRules::Versions::switched_on) return keep_versions(client);
    return Error(ErrorCode::refused,
                 std::string("the ") + side + " keeps no versions, without which nothing says what has changed: " +
                     client.location().description() +
                     " (`replica create --enable-versioning` switches them on for good, and so does `aws s3api "
                     "put-bucket-versioning --bucket " +
                     client.location().bucket + " --versioning-configuration Status=Enabled`)");
}

}  // namespace

Status prepare_buckets(S3Client& source, S3Client& target, const BucketRules& rules) {
    HF_TRY_STATUS(check_apart(source.location(), target.location()));
    HF_TRY_STATUS(require_versions(source, "source", rules.versions));
    HF_TRY(const bool has_locks, has_object_lock(source));
    BucketState found = BucketState::was_there;
    if (rules.target == BucketRules::Target::made) {
        HF_TRY(found, make_bucket(target, has_locks ? ObjectLock::yes : ObjectLock::no));
    }
    HF_TRY_STATUS(require_versions(target, "target",
                                   found == BucketState::made ? BucketRules::Versions::switched_on : rules.versions));
    if (!has_locks) return {};
    HF_TRY(const bool can_lock, has_object_lock(target));
    if (can_lock) return {};
    return Error(ErrorCode::refused, "the source locks objects, and the target cannot: " + target.location().description() +
                                         " (object lock is switched on when a bucket is made; a target that is missing is "
                                         "made with it)");
}

}  // namespace holdfast
