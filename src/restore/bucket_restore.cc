#include "restore/bucket_restore.h"

#include <cstring>

#include "base/disk_map.h"
#include "base/worker_pool.h"
#include "crypto/digest.h"
#include "repository/tree_reader.h"
#include "restore/object_put.h"
#include "s3/bucket.h"
#include "s3/key_path.h"
#include "s3/object_attributes.h"

namespace holdfast {
namespace {

constexpr std::size_t threads = 4;
// Tasks that wait hold entries, not contents: 16 of them, or one.
constexpr std::size_t queued_tasks = 8;
constexpr std::size_t max_reported_problems = 1000;

using Names = BucketRestoreOptions::Names;

DiskMap::Key hash_of(const std::string& text) {
    const Digest digest = plain_hash(as_bytes(text));
    DiskMap::Key key;
    std::memcpy(&key, digest.bytes.data(), sizeof key);
    return key;
}

// What makes two objects equal. Without an ETag nothing is.
std::string signature_of(std::uint64_t bytes, const std::string& etag) { return std::to_string(bytes) + ' ' + etag; }

class BucketRestore {
  public:
    BucketRestore(S3Client& client, const BucketRestoreOptions& options, Progress& progress, std::stop_token stop)
        : client_(client),
          options_(options),
          progress_(progress),
          stop_(std::move(stop)),
          prefix_(client.location().key_prefix()) {}

    Result<RestoreReport> run(Repository& repository, const Entry& entry);

  private:
    // Older versions are put before any current one, so that the newest one is the last.
    enum class Pass : std::uint8_t { versions, objects };

    Status look_at_target(const Entry& entry);
    Status look_at_versions();
    Status walk(const Entry& entry);
    Status walk_directory(const Entry& directory, const KeyDirectory& keys, Pass pass);
    Status meet(const Entry& entry, const KeyDirectory& keys, Pass pass);
    Status meet_object(const Entry& entry, const std::string& key);
    Status meet_versions(const Entry& directory, const std::string& key);
    void put_versions(const Entry& directory, const std::string& key);
    Result<bool> is_present(const Entry& entry, const std::string& key) const;
    KeyDirectory below(const KeyDirectory& keys, const std::string& name) const;
    void submit_small();
    void count(const Entry& entry, const std::string& key, const Status& done);
    void problem(const Error& error);
    Status fatal() const;
    Status read_dry(const Entry& entry) const { return options_.on_content ? options_.on_content(entry) : ok_status(); }

    S3Client& client_;
    const BucketRestoreOptions& options_;
    Progress& progress_;
    const std::stop_token stop_;
    const std::string prefix_;
    ChunkReader* chunks_ = nullptr;
    std::optional<ObjectPutter> putter_;

    DiskMap present_;         // current objects of the target by their keys: signature_of()
    DiskMap with_versions_;   // keys of which the target has versions
    BucketState bucket_ = BucketState::was_there;
    std::optional<bool> keeps_versions_;  // known when the first older version is met
    std::uint64_t left_out_keys_ = 0;     // of which older versions were not put
    std::vector<ObjectToPut> small_;
    std::uint64_t small_bytes_ = 0;

    mutable std::mutex mutex_;  // guards what follows
    RestoreReport report_;
    std::optional<Error> fatal_;
    std::optional<WorkerPool> pool_;  // last: its threads use all of it
};

void BucketRestore::problem(const Error& error) {
    std::lock_guard lock(mutex_);
    ++report_.problem_count;
    if (error.code() == ErrorCode::corrupt || error.code() == ErrorCode::not_found) report_.found_damage = true;
    if (error.code() == ErrorCode::frozen && !fatal_) fatal_ = error;
    ++progress_.problems;
    if (report_.problems.size() < max_reported_problems) report_.problems.push_back(error.describe());
}

void BucketRestore::count(const Entry& entry, const std::string& key, const Status& done) {
    if (!done.ok()) {
        if (!stop_.stop_requested()) problem(Error(done.error()).with_context("restoring " + client_.location().url_of(key)));
        return;
    }
    progress_.bytes += entry.metadata.size;
    ++progress_.files;
    std::lock_guard lock(mutex_);
    ++report_.files;
    report_.bytes += entry.metadata.size;
    report_.written_bytes += entry.metadata.size;
}

Status BucketRestore::fatal() const {
    if (stop_.stop_requested())
        return Error(ErrorCode::cancelled, "interrupted; `restore --overwrite changed` goes on from here");
    const std::lock_guard lock(mutex_);
    return fatal_ ? Status(*fatal_) : ok_status();
}

// What is there already: refused, or remembered to be compared.
Status BucketRestore::look_at_target(const Entry& entry) {
    const bool is_dry = options_.mode == BucketRestoreOptions::Mode::dry_run;
    if (is_dry) {
        S3Request look;
        look.method = "HEAD";
        if (const auto found = client_.call(std::move(look)); !found.ok())
            return found.error().code() == ErrorCode::not_found ? Status() : Status(found.error());
    } else {
        HF_TRY(bucket_, make_bucket(client_));
    }
    if (options_.overwrite == Overwrite::never) {
        const bool is_tree = entry.metadata.type == EntryType::directory;
        const std::string key = is_tree ? prefix_ : prefix_ + entry.name;
        HF_TRY(const S3ListingPage page, list_page(client_, key, "", 1));
        if (page.objects.empty() || (!is_tree && page.objects.front().key != key)) return {};
        return Error(ErrorCode::already_exists,
                     client_.location().url_of(key) +
                         (is_tree ? " is not empty, and is written to" : " exists, and is replaced") +
                         " only with --overwrite changed|always");
    }
    if (options_.overwrite == Overwrite::always) return {};
    return for_each_object(client_, prefix_, [this](S3Object& object) -> Result<bool> {
        HF_TRY_STATUS(present_.insert(hash_of(object.key), as_bytes(signature_of(object.bytes, object.etag))));
        return true;
    });
}

// Called with the first older version that is met.
Status BucketRestore::look_at_versions() {
    if (keeps_versions_) return {};
    if (options_.mode == BucketRestoreOptions::Mode::write && bucket_ == BucketState::made)
        HF_TRY_STATUS(keep_versions(client_));
    const auto keeps = keeps_versions(client_);
    keeps_versions_ = keeps.ok() && *keeps;
    if (!keeps.ok() && keeps.error().code() != ErrorCode::not_found) return keeps.error();
    if (!*keeps_versions_) return {};
    return for_each_version(client_, prefix_, [this](S3Version& version) -> Result<bool> {
        HF_TRY_STATUS(with_versions_.insert(hash_of(version.object.key), {}));
        return true;
    });
}

Result<bool> BucketRestore::is_present(const Entry& entry, const std::string& key) const {
    const std::string etag = attribute_value(entry.metadata, etag_attribute);
    if (options_.overwrite != Overwrite::changed || etag.empty()) return false;
    HF_TRY(const auto found, present_.find(hash_of(key)));
    return found && as_text(*found) == signature_of(entry.metadata.size, etag);
}

KeyDirectory BucketRestore::below(const KeyDirectory& keys, const std::string& name) const {
    return options_.names == Names::of_bucket ? directory_below(keys, name) : KeyDirectory{keys.key + name + '/', false};
}

Status BucketRestore::walk_directory(const Entry& directory, const KeyDirectory& keys, Pass pass) {
    return for_each_entry(*chunks_, directory, [this, &keys, pass](const Entry& entry) {
        return meet(entry, keys, pass);
    });
}

Status BucketRestore::meet(const Entry& entry, const KeyDirectory& keys, Pass pass) {
    HF_TRY_STATUS(fatal());
    if (entry.metadata.type == EntryType::directory) {
        const KeyDirectory inner = below(keys, entry.name);
        if (!inner.holds_versions) return walk_directory(entry, inner, pass);
        return pass == Pass::versions ? meet_versions(entry, inner.key) : Status();
    }
    if (pass == Pass::versions) return {};
    ++progress_.entries;
    const std::string key =
        options_.names == Names::of_bucket ? object_below(keys, entry.name) : keys.key + entry.name;
    if (entry.metadata.type == EntryType::file) return meet_object(entry, key);
    problem(Error(ErrorCode::unsupported, key + ": not a file, which is all that a bucket can hold"));
    return {};
}

Status BucketRestore::meet_object(const Entry& entry, const std::string& key) {
    HF_TRY(const bool is_there, is_present(entry, key));
    const std::uint64_t bytes = entry.metadata.size;
    if (is_there || options_.mode == BucketRestoreOptions::Mode::dry_run) {
        std::lock_guard lock(mutex_);
        ++report_.files;
        report_.bytes += bytes;
        if (is_there) ++report_.unchanged_files;
        else report_.written_bytes += bytes;
        return is_there ? ok_status() : read_dry(entry);
    }
    if (bytes > small_object_bytes) {
        pool_->submit([this, object = ObjectToPut{key, entry}] {
            if (!stop_.stop_requested()) count(object.entry, object.key, putter_->put(object));
        });
        return {};
    }
    small_.push_back({key, entry});
    small_bytes_ += bytes;
    if (small_.size() == put_together_objects || small_bytes_ > put_together_bytes - small_object_bytes) submit_small();
    return {};
}

void BucketRestore::submit_small() {
    if (small_.empty()) return;
    small_bytes_ = 0;
    pool_->submit([this, objects = std::exchange(small_, {})] {
        if (stop_.stop_requested()) return;
        const std::vector<Status> results = putter_->put_small(objects);
        for (std::size_t i = 0; i < objects.size(); ++i) count(objects[i].entry, objects[i].key, results[i]);
    });
}

Status BucketRestore::meet_versions(const Entry& directory, const std::string& key) {
    HF_TRY_STATUS(look_at_versions());
    // Put behind what is there, they would not be older.
    HF_TRY(const auto found, with_versions_.find(hash_of(key)));
    if (!*keeps_versions_ || found) {
        ++left_out_keys_;
        return {};
    }
    if (options_.mode == BucketRestoreOptions::Mode::dry_run)
        return for_each_entry(*chunks_, directory, [this](const Entry& version) -> Status {
            ++report_.files;
            report_.bytes += version.metadata.size;
            report_.written_bytes += version.metadata.size;
            return read_dry(version);
        });
    pool_->submit([this, directory, key] { put_versions(directory, key); });
    return {};
}

// One after the other: a bucket has no other order of versions than that in which they came.
void BucketRestore::put_versions(const Entry& directory, const std::string& key) {
    const Status walked = for_each_entry(*chunks_, directory, [this, &key](const Entry& version) -> Status {
        HF_TRY_STATUS(fatal());
        const bool is_deletion = !attribute_value(version.metadata, delete_marker_attribute).empty();
        HF_TRY_STATUS(is_deletion ? putter_->remove(key) : putter_->put({key, version}));
        count(version, key, {});
        return {};
    });
    // What comes behind a version that is missing would be out of order.
    if (!walked.ok() && !stop_.stop_requested())
        problem(Error(walked.error()).with_context("restoring the versions of " + client_.location().url_of(key)));
}

Status BucketRestore::walk(const Entry& entry) {
    const KeyDirectory root{prefix_, false};
    if (entry.metadata.type != EntryType::directory) return meet(entry, root, Pass::objects);
    if (options_.names == Names::of_bucket) {
        HF_TRY_STATUS(walk_directory(entry, root, Pass::versions));
        pool_->wait_idle();
    }
    return walk_directory(entry, root, Pass::objects);
}

Result<RestoreReport> BucketRestore::run(Repository& repository, const Entry& entry) {
    HF_TRY(const Index* const index, repository.index());
    HF_TRY(chunks_, repository.chunks());
    putter_.emplace(client_, *chunks_, *index);
    HF_TRY_STATUS(look_at_target(entry));
    pool_.emplace(threads, queued_tasks);
    const Status walked = walk(entry);
    if (walked.ok()) submit_small();
    pool_.reset();
    HF_TRY_STATUS(walked);
    HF_TRY_STATUS(fatal());
    if (left_out_keys_ != 0)
        problem(Error(ErrorCode::conflict,
                      "the older versions of " + std::to_string(left_out_keys_) + " keys are left out: the bucket " +
                          (keeps_versions_.value_or(false) ? "has these keys already" : "keeps no versions")));
    return std::move(report_);
}

}  // namespace

Result<RestoreReport> run_bucket_restore(Repository& repository,
                                         const Entry& entry,
                                         S3Client& client,
                                         const BucketRestoreOptions& options,
                                         Progress& progress,
                                         std::stop_token stop) {
    return BucketRestore(client, options, progress, std::move(stop)).run(repository, entry);
}

}  // namespace holdfast
