#include "replication/s3_buckets.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "crypto/sha256.h"
#include "s3/object_attributes.h"
#include "s3/upload.h"

namespace holdfast {
namespace {

constexpr std::uint64_t max_whole_bytes = 16u << 20;
constexpr std::size_t max_part_bytes = 32u << 20;
constexpr std::size_t read_bytes = 1u << 20;
constexpr unsigned ranges_ahead = 1;  // ObjectReader: 8 MiB
// As many as there are connections for (HttpOptions::max_connections).
constexpr std::size_t heads_at_once = 16;

std::string mark_header() { return "x-amz-meta-" + std::string(mark_name); }

bool has_parts(const std::string& etag) { return etag.find('-') != std::string::npos; }

// Whether the ETag is the MD5 of the content: services that encrypt with keys of somebody else have other ones.
bool is_md5(const std::string& etag, const HttpResponse& answer) {
    const std::string encryption = answer.header("x-amz-server-side-encryption").value_or("");
    return etag.size() == 32 && from_hex(etag).size() == 16 && (encryption.empty() || encryption == "AES256") &&
           !answer.header("x-amz-server-side-encryption-customer-algorithm");
}

S3Request request_for(std::string method, std::string key, const std::string& version) {
    S3Request request;
    request.method = std::move(method);
    request.key = std::move(key);
    if (!version.empty()) request.query.emplace_back("versionId", version);
    return request;
}

PutOutcome failed(Error error, bool may_be_there = false) {
    PutOutcome outcome;
    outcome.error = std::move(error);
    outcome.may_be_there = may_be_there;
    return outcome;
}

}  // namespace

S3Buckets::S3Buckets(S3Client& source, S3Client& target, bool has_locks)
    : source_(source),
      target_(target),
      source_prefix_(source.location().key_prefix()),
      target_prefix_(target.location().key_prefix()),
      has_locks_(has_locks) {}

Result<std::unique_ptr<S3Buckets>> S3Buckets::open(S3Client& source, S3Client& target) {
    HF_TRY(const bool has_locks, has_object_lock(source));
    return std::unique_ptr<S3Buckets>(new S3Buckets(source, target, has_locks));
}

// Until its end, or until nobody takes what it finds any more.
Status S3Buckets::list_range(std::span<const std::string> borders, std::size_t range, BoundedQueue<ListedBatch>& queue) {
    constexpr std::size_t batch_versions = 1000;
    VersionLister lister(source_, source_prefix_, range == 0 ? "" : source_key(borders[range - 1]));
    ListedBatch batch;
    batch.range = range;
    for (;;) {
        HF_TRY(std::optional<S3Version> listed, lister.next());
        if (!listed) break;
        SourceVersion version;
        version.key = listed->object.key.substr(source_prefix_.size());
        if (range < borders.size() && version.key > borders[range]) break;
        // The mark of the prefix itself would have no name at the root of the target.
        if (target_key(version.key).empty()) continue;
        version.id = std::move(listed->id);
        version.etag = std::move(listed->object.etag);
        version.bytes = listed->object.bytes;
        version.modified = listed->object.modified;
        version.is_marker = listed->is_delete_marker;
        batch.versions.push_back(std::move(version));
        if (batch.versions.size() < batch_versions) continue;
        if (!queue.push(std::exchange(batch, ListedBatch{range, {}, false, {}}))) return {};
    }
    queue.push(std::move(batch));
    return {};
}

Status S3Buckets::list_source(std::span<const std::string> borders, const VisitVersion& visit) {
    BoundedQueue<ListedBatch> queue(borders.size() + 1);
    std::vector<std::jthread> threads;
    for (std::size_t range = 0; range <= borders.size(); ++range)
        threads.emplace_back([&, range] {
            Status done = list_range(borders, range, queue);
            queue.push({range, {}, true, std::move(done)});
        });
    Status outcome;
    for (std::size_t open = threads.size(); open != 0 && outcome.ok();) {
        std::optional<ListedBatch> batch = queue.pop();
        HF_CHECK(batch.has_value());
        if (batch->is_end) {
            --open;
            outcome = std::move(batch->status);
        }
        for (SourceVersion& version : batch->versions)
            if (outcome.ok()) outcome = visit(batch->range, version);
    }
    queue.abort();
    return outcome;
}

PutOutcome S3Buckets::put(const SourceVersion& version) {
    if (version.is_marker) return put_marker(version);
    PutOutcome outcome = put_object(version);
    if (!outcome.error || outcome.may_be_there || outcome.error->code() != ErrorCode::not_found) return outcome;
    const auto is_no_more = is_gone(version);
    outcome.is_gone = is_no_more.ok() && *is_no_more;
    return outcome;
}

PutOutcome S3Buckets::put_marker(const SourceVersion& version) {
    S3Request remove = request_for("DELETE", target_key(version.key), "");
    remove.is_sent_once = true;
    const auto answer = target_.call(std::move(remove));
    if (!answer.ok()) return failed(answer.error(), true);
    PutOutcome outcome;
    outcome.id = answer->header("x-amz-version-id").value_or("");
    if (outcome.id.empty())
        return failed(Error(ErrorCode::unsupported, target_key(version.key) + ": the target names no version"), true);
    return outcome;
}

// Only a listing that has been read tells that something is not there.
Result<bool> S3Buckets::is_gone(const SourceVersion& version) {
    VersionLister lister(source_, source_key(version.key));
    for (;;) {
        HF_TRY(const std::optional<S3Version> listed, lister.next());
        if (!listed || listed->object.key != source_key(version.key)) return true;
        if (listed->id == version.id && listed->object.modified == version.modified) return false;
    }
}

Result<S3Buckets::Dress> S3Buckets::dress_of(const SourceVersion& version, const HttpResponse& answer) {
    Dress dress;
    for (const ObjectAttribute& one : attributes_in(answer)) {
        HF_TRY(const std::vector<HttpHeader> headers, headers_of(one));
        dress.headers.insert(dress.headers.end(), headers.begin(), headers.end());
    }
    // A replica of a replica is one of its own source. The class is the target's affair.
    std::erase_if(dress.headers, [](const HttpHeader& header) {
        return header.name == mark_header() || header.name == storage_class_header;
    });
    if (const std::string& storage_class = target_.location().storage_class; !storage_class.empty())
        dress.headers.push_back({std::string(storage_class_header), storage_class});
    dress.headers.push_back({mark_header(), version.identity()});
    if (has_tags(answer)) {
        HF_TRY(dress.tags, read_tags(source_, source_key(version.key), version.id));
    }
    if (!dress.tags.empty()) dress.headers.push_back({"x-amz-tagging", dress.tags});
    if (has_locks_) {
        HF_TRY(dress.lock, lock_in(answer));
    }
    const auto lock = lock_headers(dress.lock, target_.now());
    dress.headers.insert(dress.headers.end(), lock.begin(), lock.end());
    return dress;
}

PutOutcome S3Buckets::put_whole(const SourceVersion& version, const Dress& dress, ObjectReader& reader) {
    Bytes content(static_cast<std::size_t>(version.bytes));
    const auto read = reader.read(0, content);
    if (!read.ok()) return failed(read.error());
    const auto answer = reader.first_answer();
    if (answer.ok() && is_md5(version.etag, **answer) && to_hex(md5(content)) != version.etag)
        return failed(Error(ErrorCode::corrupt, source_key(version.key) + ": what was read is not what its ETag says"));
    S3Request put = request_for("PUT", target_key(version.key), "");
    put.headers = dress.headers;
    put.body = content;
    put.is_sent_once = true;
    // Asked for with a lock, whatever else the request is signed with.
    if (!dress.lock.is_none()) put.headers.push_back({"content-md5", to_base64(md5(content))});
    const auto done = target_.call(std::move(put));
    if (!done.ok()) return failed(done.error(), true);
    PutOutcome outcome;
    outcome.id = done->header("x-amz-version-id").value_or("");
    if (outcome.id.empty() || outcome.id == "null")
        return failed(Error(ErrorCode::unsupported, target_key(version.key) + ": the target keeps no versions"), true);
    return outcome;
}

PutOutcome S3Buckets::put_parts(const SourceVersion& version, const Dress& dress, ObjectReader& reader) {
    const auto part_bytes = part_bytes_of(version);
    if (!part_bytes.ok()) return failed(part_bytes.error());
    S3UploadOptions options;
    options.headers = [&dress] { return dress.headers; };
    options.part_bytes = *part_bytes;
    options.small = S3UploadOptions::Small::one_part;
    S3Upload upload(target_, target_key(version.key), std::move(options));
    Bytes buffer(read_bytes);
    for (std::uint64_t offset = 0; offset < version.bytes;) {
        const auto read = reader.read(offset, buffer);
        if (!read.ok()) return failed(read.error());
        offset += *read;
        if (Status sent = upload.append(ByteSpan(buffer).first(*read)); !sent.ok()) return failed(std::move(sent).error());
    }
    const auto done = upload.commit();
    if (!done.ok()) return failed(done.error(), true);
    PutOutcome outcome;
    outcome.id = done->header("x-amz-version-id").value_or("");
    return outcome;
}

// The part size of the source, where it tells it.
Result<std::size_t> S3Buckets::part_bytes_of(const SourceVersion& version) {
    // Parts are held in memory: half a gigabyte each for the largest object, while usual ones have 8 MiB.
    constexpr std::uint64_t max_object_bytes = std::uint64_t{5} << 40;
    if (version.bytes > max_object_bytes)
        return Error(ErrorCode::unsupported, version.key + ": an object of more than 5 TiB");
    const std::size_t usual = S3Upload::part_bytes_for(version.bytes);
    if (!has_parts(version.etag)) return usual;
    S3Request ask = request_for("HEAD", source_key(version.key), version.id);
    ask.query.emplace_back("partNumber", "1");
    const auto answer = source_.call(std::move(ask));
    std::optional<std::size_t> told = S3Upload::part_bytes_like(version.etag, version.bytes);
    if (answer.ok() && answer->header("x-amz-mp-parts-count")) {
        HF_TRY(const std::uint64_t first, size_in(*answer, version.key));
        told = static_cast<std::size_t>(first);
    }
    constexpr std::size_t least = 5u << 20;
    return told && *told >= least && *told <= max_part_bytes && version.bytes / *told < 10'000 ? *told : usual;
}

PutOutcome S3Buckets::put_object(const SourceVersion& version) {
    ObjectReader reader(source_, {source_key(version.key), version.id, version.etag, version.bytes}, sends_conditions_,
                        ranges_ahead);
    const auto answer = reader.first_answer();
    if (!answer.ok()) return failed(answer.error());
    const auto dress = dress_of(version, **answer);
    if (!dress.ok()) return failed(dress.error());
    const bool is_whole = version.bytes == 0 || (!has_parts(version.etag) && version.bytes <= max_whole_bytes);
    PutOutcome outcome = is_whole ? put_whole(version, *dress, reader) : put_parts(version, *dress, reader);
    if (outcome.error || (is_whole && dress->lock.is_none())) return outcome;
    if (Status seen = confirm(version, *dress, outcome); !seen.ok()) return failed(std::move(seen).error(), true);
    return outcome;
}

// What came in parts, or is locked, is looked at: not every service says which version it has made of parts, keeps their
// tags (Ceph's gateway does not), or locks what it is asked to lock.
Status S3Buckets::confirm(const SourceVersion& version, const Dress& dress, PutOutcome& outcome) {
    const std::string key = target_key(version.key);
    HF_TRY(const HttpResponse answer, target_.call(request_for("HEAD", key, outcome.id)));
    HF_TRY(const std::uint64_t bytes, size_in(answer, key));
    if (answer.header(mark_header()).value_or("") != version.identity() || bytes != version.bytes)
        return Error(ErrorCode::unavailable, key + ": the target does not have what it was given");
    if (outcome.id.empty()) outcome.id = answer.header("x-amz-version-id").value_or("");
    if (outcome.id.empty() || outcome.id == "null") return Error(ErrorCode::unsupported, key + ": the target keeps no versions");
    if (!dress.tags.empty() && !has_tags(answer)) HF_TRY_STATUS(put_tags(target_, key, dress.tags, outcome.id));
    HF_TRY(outcome.lock, lock_in(answer));
    const VersionLock missing = lock_to_add(outcome.lock, dress.lock, target_.now());
    if (missing.is_none()) return {};
    HF_TRY_STATUS(put_lock(target_, key, outcome.id, missing));
    HF_TRY(const HttpResponse locked, target_.call(request_for("HEAD", key, outcome.id)));
    HF_TRY(outcome.lock, lock_in(locked));
    if (!lock_to_add(outcome.lock, dress.lock, target_.now()).is_none())
        return Error(ErrorCode::unsupported, key + ": the target does not lock it");
    return {};
}

Result<VersionLock> S3Buckets::mend(const SourceVersion& version, const std::string& target_id) {
    const auto tags = read_tags(source_, source_key(version.key), version.id);
    // Who has removed it meanwhile has its tags removed.
    if (!tags.ok() && tags.error().code() != ErrorCode::not_found) return tags.error();
    if (tags.ok() && !tags->empty()) HF_TRY_STATUS(put_tags(target_, target_key(version.key), *tags, target_id));
    if (!has_locks_) return VersionLock{};
    HF_TRY(const std::optional<VersionLock> lock, follow_lock(version, target_id, {}));
    return lock.value_or(VersionLock{});
}

Status S3Buckets::read_marks(std::span<const KeyAndVersion> versions) {
    while (!versions.empty()) {
        const auto some = versions.first(std::min(versions.size(), heads_at_once));
        versions = versions.subspan(some.size());
        std::vector<std::unique_ptr<S3Call>> calls;
        for (const KeyAndVersion& one : some)
            calls.push_back(target_.start(request_for("HEAD", target_key(one.key), one.version->id)));
        for (std::size_t i = 0; i < some.size(); ++i) {
            HF_TRY(const HttpResponse answer, calls[i]->wait());
            some[i].version->mark = answer.header(mark_header()).value_or("");
        }
    }
    return {};
}

Result<std::vector<TargetVersion>> S3Buckets::newer_at_target(const std::string& key, const std::string& after) {
    std::vector<TargetVersion> found;
    VersionLister lister(target_, target_key(key));
    for (;;) {
        HF_TRY(const std::optional<S3Version> listed, lister.next());
        if (!listed || listed->object.key != target_key(key) || listed->id == after) break;
        found.push_back({listed->id, listed->is_delete_marker, {}});
    }
    std::vector<KeyAndVersion> objects;
    for (TargetVersion& one : found)
        if (!one.is_marker) objects.push_back({key, &one});
    HF_TRY_STATUS(read_marks(objects));
    std::reverse(found.begin(), found.end());
    return found;
}

Status S3Buckets::list_target(const VisitKey& visit) {
    constexpr std::size_t batch_versions = 1000;
    // Whole keys; of each the newest version first.
    std::vector<std::pair<std::string, std::vector<TargetVersion>>> keys;
    std::size_t count = 0;
    const auto work_off = [&]() -> Status {
        std::vector<KeyAndVersion> objects;
        for (auto& [key, versions] : keys) {
            std::reverse(versions.begin(), versions.end());
            for (TargetVersion& one : versions)
                if (!one.is_marker) objects.push_back({key, &one});
        }
        HF_TRY_STATUS(read_marks(objects));
        for (const auto& [key, versions] : keys) HF_TRY_STATUS(visit(key, versions));
        keys.clear();
        count = 0;
        return {};
    };
    const Status read = for_each_version(target_, target_prefix_, [&](S3Version& listed) -> Result<bool> {
        std::string key = listed.object.key.substr(target_prefix_.size());
        if (keys.empty() || keys.back().first != key) {
            if (count >= batch_versions) HF_TRY_STATUS(work_off());
            keys.emplace_back(std::move(key), std::vector<TargetVersion>());
        }
        keys.back().second.push_back({listed.id, listed.is_delete_marker, {}});
        ++count;
        return true;
    });
    return read.ok() ? work_off() : read;
}

Result<std::optional<VersionLock>> S3Buckets::follow_lock(const SourceVersion& version,
                                                          const std::string& target_id,
                                                          const VersionLock& known) {
    const auto answer = source_.call(request_for("HEAD", source_key(version.key), version.id));
    if (!answer.ok()) {
        if (answer.error().code() != ErrorCode::not_found) return answer.error();
        HF_TRY(const bool is_no_more, is_gone(version));
        return is_no_more ? std::optional<VersionLock>() : std::optional(known);
    }
    HF_TRY(const VersionLock wanted, lock_in(*answer));
    if (lock_to_add(known, wanted, target_.now()).is_none()) return std::optional(known);
    // What the target says counts: somebody may have locked it longer.
    const std::string key = target_key(version.key);
    HF_TRY(const HttpResponse present, target_.call(request_for("HEAD", key, target_id)));
    HF_TRY(const VersionLock has, lock_in(present));
    const VersionLock missing = lock_to_add(has, wanted, target_.now());
    HF_TRY_STATUS(put_lock(target_, key, target_id, missing));
    HF_TRY(const HttpResponse locked, target_.call(request_for("HEAD", key, target_id)));
    HF_TRY(const VersionLock now_has, lock_in(locked));
    return std::optional(now_has);
}

}  // namespace holdfast
