#include "replication/replica_check.h"

#include <algorithm>

#include "s3/object_lock.h"

namespace holdfast {
namespace {

constexpr std::size_t max_differences = 1000;

// A listing key by key.
class KeyLister {
  public:
    KeyLister(S3Client& client) : prefix_(client.location().key_prefix()), lister_(client, prefix_) {}

    // The next key, without the prefix, and its versions, oldest first. False at the end.
    Result<bool> next(std::string& key, std::vector<S3Version>& versions) {
        versions.clear();
        if (!ahead_) {
            HF_TRY(ahead_, lister_.next());
        }
        if (!ahead_) return false;
        const std::string whole = ahead_->object.key;
        while (ahead_ && ahead_->object.key == whole) {
            versions.push_back(std::move(*ahead_));
            HF_TRY(ahead_, lister_.next());
        }
        std::reverse(versions.begin(), versions.end());
        key = whole.substr(prefix_.size());
        return true;
    }

  private:
    const std::string prefix_;
    VersionLister lister_;
    std::optional<S3Version> ahead_;
};

std::string identity_of(const S3Version& version) {
    SourceVersion source;
    source.id = version.id;
    source.modified = version.object.modified;
    return source.identity();
}

bool has_parts(const std::string& etag) { return etag.find('-') != std::string::npos; }

class Check {
  public:
    Check(S3Client& source, S3Client& target, ReplicaState& state) : source_(source), target_(target), state_(state) {}

    Result<ReplicaCheckReport> run(const std::stop_token& stop) {
        HF_TRY(has_locks_, has_object_lock(source_));
        KeyLister sources(source_), targets(target_);
        std::string source_key, target_key;
        std::vector<S3Version> source_versions, target_versions;
        HF_TRY(bool has_source, sources.next(source_key, source_versions));
        HF_TRY(bool has_target, targets.next(target_key, target_versions));
        const std::vector<S3Version> none;
        while (has_source || has_target) {
            if (stop.stop_requested()) return Error(ErrorCode::cancelled, "interrupted");
            const bool takes_source = has_source && (!has_target || source_key <= target_key);
            const bool takes_target = has_target && (!has_source || target_key <= source_key);
            const std::string key = takes_source ? source_key : target_key;
            const bool has_name = !(target_.location().key_prefix() + key).empty();
            if (has_name) HF_TRY_STATUS(compare(key, takes_source ? source_versions : none, takes_target ? target_versions : none));
            if (takes_source) {
                HF_TRY(has_source, sources.next(source_key, source_versions));
            }
            if (takes_target) {
                HF_TRY(has_target, targets.next(target_key, target_versions));
            }
        }
        return std::move(report_);
    }

  private:
    void differ(const std::string& key, const std::string& version, std::string what) {
        ++report_.difference_count;
        if (report_.differences.size() < max_differences) report_.differences.push_back({key, version, std::move(what)});
    }

    Status compare(const std::string& key, std::span<const S3Version> source, std::span<const S3Version> target);
    Status compare_pair(const std::string& key, const S3Version& source, const S3Version& target);
    Result<std::string> lock_difference(const S3Version& source, const S3Version& target);

    S3Client& source_;
    S3Client& target_;
    ReplicaState& state_;
    bool has_locks_ = false;
    ReplicaCheckReport report_;
};

Status Check::compare(const std::string& key, std::span<const S3Version> source, std::span<const S3Version> target) {
    report_.versions += source.size();
    HF_TRY(const std::vector<KnownVersion> known, state_.known_of(key));
    std::map<std::string, std::string> target_ids;  // by the identity of the source's version
    for (const KnownVersion& one : known)
        if (!one.target_id.empty()) target_ids.emplace(one.version.identity(), one.target_id);
    std::map<std::string, std::size_t> places;  // of the target's versions
    for (std::size_t i = 0; i < target.size(); ++i) places.emplace(target[i].id, i);
    std::vector<bool> is_met(target.size());
    std::optional<std::size_t> last;
    for (const S3Version& one : source) {
        const auto id = target_ids.find(identity_of(one));
        const auto place = id == target_ids.end() ? places.end() : places.find(id->second);
        if (place == places.end()) {
            differ(key, one.id, one.is_delete_marker ? "the mark of deletion is missing" : "the version is missing");
            continue;
        }
        is_met[place->second] = true;
        if (last && place->second <= *last) differ(key, one.id, "it does not follow the version before it");
        last = place->second;
        HF_TRY_STATUS(compare_pair(key, one, target[place->second]));
    }
    for (const auto& [identity, id] : target_ids) {
        const auto place = places.find(id);
        if (place == places.end() || is_met[place->second]) continue;
        is_met[place->second] = true;
        ++report_.kept;
    }
    for (std::size_t i = 0; i < target.size(); ++i)
        if (!is_met[i]) differ(key, "", "the target has a version that is of no version of the source: " + target[i].id);
    return {};
}

Status Check::compare_pair(const std::string& key, const S3Version& source, const S3Version& target) {
    const S3Object &a = source.object, &b = target.object;
    const bool may_have_other_parts = has_parts(a.etag) || has_parts(b.etag);
    std::string what;
    if (source.is_delete_marker != target.is_delete_marker) what = "one is a mark of deletion, the other is not";
    else if (!source.is_delete_marker && a.bytes != b.bytes)
        what = std::to_string(a.bytes) + " bytes, at the target " + std::to_string(b.bytes);
    else if (a.etag != b.etag && !source.is_delete_marker && !may_have_other_parts) what = "another ETag: " + a.etag + ", at the target " + b.etag;
    if (what.empty() && has_locks_ && !source.is_delete_marker) {
        HF_TRY(what, lock_difference(source, target));
    }
    if (!what.empty()) {
        differ(key, source.id, what);
        return {};
    }
    if (a.etag != b.etag && !source.is_delete_marker) ++report_.other_etags;
    ++report_.equal;
    return {};
}

// What the target has less of.
Result<std::string> Check::lock_difference(const S3Version& source, const S3Version& target) {
    VersionLock locks[2];
    const std::pair<S3Client*, const S3Version*> sides[] = {{&source_, &source}, {&target_, &target}};
    for (std::size_t i = 0; i < 2; ++i) {
        S3Request ask;
        ask.method = "HEAD";
        ask.key = sides[i].second->object.key;
        ask.query = {{"versionId", sides[i].second->id}};
        HF_TRY(const HttpResponse answer, sides[i].first->call(std::move(ask)));
        HF_TRY(locks[i], lock_in(answer));
    }
    if (lock_to_add(locks[1], locks[0], source_.now()).is_none()) return std::string();
    return "locked as " + describe_lock(locks[0]) + ", at the target " +
           (locks[1].is_none() ? "not at all" : describe_lock(locks[1]));
}

}  // namespace

Result<ReplicaCheckReport> check_replica(S3Client& source, S3Client& target, ReplicaState& state, const std::stop_token& stop) {
    return Check(source, target, state).run(stop);
}

}  // namespace holdfast
