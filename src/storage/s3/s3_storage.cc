#include "storage/s3/s3_storage.h"

#include <algorithm>
#include <limits>

#include "s3/bucket.h"
#include "storage/object_checks.h"

namespace holdfast {
namespace {

// A page of uploads: as one of a listing.
constexpr std::uint64_t max_listing_bytes = 8u << 20;
// Parts of an object that was never finished cost as others do. What is older than this is of nobody alive.
constexpr TimeNs old_upload = 2 * 24 * 3600 * ns_per_second;
constexpr std::string_view none_match = "if-none-match";

}  // namespace

class S3Storage::Writer final : public ObjectWriter {
  public:
    Writer(S3Storage& storage, std::string name, Existing existing)
        : storage_(storage),
          name_(std::move(name)),
          existing_(existing),
          upload_(*storage.client_, storage.key_of(name_), storage.upload_options(name_, existing)) {}

    Status append(ByteSpan data) override { return upload_.append(data); }

    Status commit(Durability) override {
        if (existing_ == Existing::replace) HF_TRY_STATUS(storage_.head(name_));
        if (!upload_.has_parts()) return storage_.put(name_, upload_.unsent(), existing_);
        HF_TRY(const HttpResponse stored, upload_.commit());
        return storage_.settle(name_, stored, upload_.bytes(), existing_);
    }

  private:
    S3Storage& storage_;
    const std::string name_;
    const Existing existing_;
    S3Upload upload_;
};

Result<std::unique_ptr<Storage>> S3Storage::open(const std::string& location,
                                                 OpenMode mode,
                                                 const StorageOptions& options) {
    const Environment environment = options.environment_or_process();
    HF_TRY(S3Location parsed, parse_s3_location(location, environment));
    HF_TRY(auto client,
           open_s3_client(std::move(parsed), options.ca_file, options.backoff, options.stop, environment));
    std::unique_ptr<S3Storage> storage(new S3Storage(std::move(client)));
    if (mode == OpenMode::create) {
        HF_TRY_STATUS(make_bucket(*storage->client_, options.wants_locks ? ObjectLock::yes : ObjectLock::no));
        HF_TRY_STATUS(check_empty(*storage));
        HF_TRY_STATUS(check_put_if_absent(*storage));
    }
    return std::unique_ptr<Storage>(std::move(storage));
}

std::string S3Storage::key_of(const std::string& name) const {
    const std::string& prefix = client_->location().prefix;
    return prefix.empty() ? name : prefix + '/' + name;
}

S3Request S3Storage::request(std::string method, const std::string& name) const {
    S3Request request;
    request.method = std::move(method);
    request.key = key_of(name);
    return request;
}

// What is small or read often stays in the bucket's own class.
std::vector<HttpHeader> S3Storage::headers_for(const std::string& name) const {
    S3Request request;
    const std::string& wanted = client_->location().storage_class;
    if (!wanted.empty() && name.starts_with("data/")) request.headers.push_back({"x-amz-storage-class", wanted});
    retention_.add_headers(request, name);
    return std::move(request.headers);
}

S3UploadOptions S3Storage::upload_options(const std::string& name, Existing existing) {
    S3UploadOptions options;
    options.headers = [this, name] {
        remove_old_uploads();
        return headers_for(name);
    };
    if (existing == Existing::refuse) options.conditions.push_back({std::string(none_match), "*"});
    return options;
}

Status S3Storage::put(const std::string& name, ByteSpan data, Durability) {
    return put(name, data, Existing::refuse);
}

Status S3Storage::put(const std::string& name, ByteSpan data, Existing existing) {
    S3Request put = request("PUT", name);
    put.body = data;
    put.headers = headers_for(name);
    if (existing == Existing::refuse) put.headers.push_back({std::string(none_match), "*"});
    const auto call = client_->start(std::move(put));
    const auto response = call->wait();
    if (response.ok()) return settle(name, *response, data.size(), existing);
    if (response.error().code() == ErrorCode::already_exists && call->tries() > 1) {
        HF_TRY(const bool is_ours, is_stored(*this, name, data));
        if (is_ours) return {};
    }
    if (response.error().code() == ErrorCode::already_exists)
        return Error(ErrorCode::already_exists, name + ": exists");
    return response.error();
}

Result<std::unique_ptr<ObjectWriter>> S3Storage::begin(const std::string& name) {
    return std::unique_ptr<ObjectWriter>(std::make_unique<Writer>(*this, name, Existing::refuse));
}

Result<std::unique_ptr<ObjectWriter>> S3Storage::begin_again(const std::string& name) {
    return std::unique_ptr<ObjectWriter>(std::make_unique<Writer>(*this, name, Existing::replace));
}

Status S3Storage::adopt(const std::string& name) {
    HF_TRY_STATUS(head(name));
    return {};
}

// The version that counts.
Result<HttpResponse> S3Storage::fetch(const S3Request& request, const std::string& name) {
    for (bool has_forgotten = false;;) {
        S3Request sent = request;
        const bool are_kept = versions_.are_kept(), is_known = versions_.is_known();
        if (are_kept) {
            HF_TRY(const auto first, versions_.first(name));
            if (!first) return Error(ErrorCode::not_found, name + ": no such object");
            sent.query = {{"versionId", first->id}};
        }
        auto response = client_->call(std::move(sent));
        if (!response.ok() && response.error().code() == ErrorCode::frozen) return cold_tier_.frozen(name);
        // What was known of it is no more: somebody has removed that version.
        if (are_kept && !response.ok() && response.error().code() == ErrorCode::not_found && !has_forgotten) {
            versions_.forget(name);
            has_forgotten = true;
            continue;
        }
        if (is_known) return response;
        HF_TRY_STATUS(versions_.learn(name, response));
        if (!versions_.are_kept()) return response;
    }
}

// What was stored counts from now on.
Status S3Storage::settle(const std::string& name,
                         const HttpResponse& stored,
                         std::uint64_t bytes,
                         Existing existing) {
    if (!versions_.is_known()) HF_TRY_STATUS(versions_.learn(name, stored));
    if (!versions_.are_kept()) return {};
    versions_.forget(name);
    HF_TRY(const std::vector<S3Version> all, versions_.all(name));
    std::string version = stored.header("x-amz-version-id").value_or("");
    // Some services do not say it at the end of an upload of parts. Then it is the newest, as far as one can see.
    if (version.empty() && !all.empty() && !all.front().is_delete_marker && all.front().object.bytes == bytes)
        version = all.front().id;
    if (version.empty()) return Error(ErrorCode::unavailable, name + ": the service does not tell which version it has stored");
    if (existing == Existing::refuse) {
        // Ceph's gateway takes no notice of the condition where it keeps versions: who was first tells the order.
        const auto first = std::find_if(all.rbegin(), all.rend(), [](const S3Version& one) { return !one.is_delete_marker; });
        if (first == all.rend() || first->id != version) {
            if (!version.empty()) (void)remove_version(name, version).ok();
            return Error(ErrorCode::already_exists, name + ": exists");
        }
        versions_.add(name, {version, bytes, client_->now()});
        return {};
    }
    for (const S3Version& other : all) {
        if (other.id == version) continue;
        Status removed = remove_version(name, other.id);
        if (removed.ok()) continue;
        // It still counts: the new one is of no use.
        (void)remove_version(name, version).ok();
        return removed;
    }
    return {};
}

Status S3Storage::remove_version(const std::string& name, const std::string& version) {
    S3Request remove = request("DELETE", name);
    remove.query = {{"versionId", version}};
    const auto response = client_->call(std::move(remove));
    if (response.ok() || response.error().code() == ErrorCode::not_found) return {};
    if (response.error().code() != ErrorCode::permission_denied) return response.error();
    const auto until = retention_.locked_until(name);
    if (!until.ok() || !*until) return response.error();
    return Error(ErrorCode::refused, name + ": is locked until " + format_rfc3339(**until));
}

Result<std::size_t> S3Storage::read_some(const std::string& name, std::uint64_t offset, MutableByteSpan out) {
    if (out.empty() || offset > std::numeric_limits<std::uint64_t>::max() - out.size()) return std::size_t{0};
    S3Request get = request("GET", name);
    get.headers.push_back({"range", "bytes=" + std::to_string(offset) + '-' + std::to_string(offset + out.size() - 1)});
    get.into = out;
    const auto response = fetch(get, name);
    // A range that begins behind the end.
    if (!response.ok() && response.error().code() == ErrorCode::corrupt) return std::size_t{0};
    if (!response.ok()) return response.error();
    if (response->status != 206) return Error(ErrorCode::unsupported, name + ": the service reads no ranges");
    return static_cast<std::size_t>(response->into_bytes);
}

Result<Bytes> S3Storage::get(const std::string& name, std::uint64_t limit_bytes) {
    S3Request get = request("GET", name);
    get.limit_bytes = limit_bytes;
    auto response = fetch(get, name);
    if (!response.ok() && response.error().code() == ErrorCode::corrupt)
        return Error(ErrorCode::corrupt, name + ": larger than such an object can be");
    if (!response.ok()) return std::move(response).error();
    return std::move(response->body);
}

Result<ObjectInfo> S3Storage::head(const std::string& name) {
    HF_TRY(const HttpResponse response, fetch(request("HEAD", name), name));
    HF_TRY(const std::uint64_t bytes, size_in(response, name));
    // The mark of `holdfast replica` (replication/s3_buckets.h), and what services with a replication of their own tell.
    const bool is_replica = response.header("x-amz-meta-holdfast-source-version").has_value() ||
                            response.header("x-amz-replication-status").value_or("") == "REPLICA";
    return ObjectInfo{name, bytes, is_replica};
}

Status S3Storage::list(const std::string& prefix, const std::function<bool(const ObjectInfo&)>& visit) {
    if (versions_.are_kept())
        return versions_.list(prefix, [&visit](const std::string& name, const S3KeptVersion& version) {
            return visit({name, version.bytes});
        });
    const std::string whole = key_of(prefix);
    const std::size_t before = whole.size() - prefix.size();
    return for_each_object(*client_, whole, [&visit, before](S3Object& object) -> Result<bool> {
        return visit(ObjectInfo{object.key.substr(before), object.bytes});
    });
}

Status S3Storage::remove(const std::string& name) {
    if (versions_.are_kept()) {
        HF_TRY(const std::vector<S3Version> all, versions_.all(name));
        for (const S3Version& version : all) HF_TRY_STATUS(remove_version(name, version.id));
        versions_.forget(name);
        return {};
    }
    const auto response = client_->call(request("DELETE", name));
    if (response.ok() || response.error().code() == ErrorCode::not_found) return {};
    return response.error();
}

// What killed writers left. Housekeeping: who may not do it leaves it to others.
void S3Storage::remove_old_uploads() {
    {
        const std::lock_guard lock(mutex_);
        if (std::exchange(has_looked_for_uploads_, true)) return;
    }
    S3Request look;
    look.query = {{"uploads", ""}, {"prefix", key_of("")}, {"encoding-type", "url"}};
    look.limit_bytes = max_listing_bytes;
    const auto response = client_->call(std::move(look));
    if (!response.ok()) return;
    const auto uploads = parse_uploads(response->body);
    if (!uploads.ok()) return;
    for (const S3UploadInfo& upload : *uploads) {
        if (upload.id.empty() || !upload.key.starts_with(key_of("")) || client_->now() - upload.begun < old_upload)
            continue;
        S3Request abort;
        abort.method = "DELETE";
        abort.key = upload.key;
        abort.query = {{"uploadId", upload.id}};
        (void)client_->call(std::move(abort)).ok();
    }
}

}  // namespace holdfast
