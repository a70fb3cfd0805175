#include "storage/s3/s3_storage.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "base/random.h"
#include "storage/object_checks.h"

namespace holdfast {
namespace {

// The least that a service takes is 5 MiB, but for the last one; at 8 MiB the two requests beside the parts are few.
constexpr std::size_t part_bytes = 8u << 20;
// A page has at most 1,000 keys of at most 1,024 bytes, three times that when they are encoded, and as much again
// beside each.
constexpr std::uint64_t max_listing_bytes = 8u << 20;
// Parts of an object that was never finished cost as others do. What is older than this is of nobody alive.
constexpr TimeNs old_upload = 2 * 24 * 3600 * ns_per_second;
constexpr std::string_view none_match = "if-none-match";

Result<std::uint64_t> size_in(const HttpResponse& response, const std::string& name) {
    const std::string text = response.header("content-length").value_or("");
    std::uint64_t bytes = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), bytes);
    if (error != std::errc{} || end != text.data() + text.size() || text.empty())
        return Error(ErrorCode::corrupt, name + ": the service does not say how long it is");
    return bytes;
}

}  // namespace

// Collects parts; an object of less than a part is put whole. One part is on its way while the next one fills.
class S3Storage::Writer final : public ObjectWriter {
  public:
    Writer(S3Storage& storage, std::string name, Existing existing)
        : storage_(storage), name_(std::move(name)), existing_(existing) {}
    ~Writer() override {
        in_flight_.reset();
        if (upload_.empty() || is_done_) return;
        S3Request abort = storage_.request("DELETE", name_);
        abort.query = {{"uploadId", upload_}};
        // What cannot be taken back now goes with the old uploads.
        (void)storage_.client_->call(std::move(abort)).ok();
    }

    Status append(ByteSpan data) override {
        while (!data.empty()) {
            if (filling_.size() == part_bytes) HF_TRY_STATUS(send_part());
            const std::size_t part = std::min(data.size(), part_bytes - filling_.size());
            filling_.insert(filling_.end(), data.begin(), data.begin() + static_cast<std::ptrdiff_t>(part));
            total_bytes_ += part;
            data = data.subspan(part);
        }
        return {};
    }

    Status commit(Durability) override {
        if (existing_ == Existing::replace) HF_TRY_STATUS(storage_.head(name_));
        if (upload_.empty()) return storage_.put(name_, filling_, existing_);
        HF_TRY_STATUS(send_part());
        HF_TRY_STATUS(await_part());
        return complete();
    }

  private:
    Status begin_upload() {
        storage_.remove_old_uploads();
        HF_TRY(const HttpResponse response, storage_.client_->call([this] {
            S3Request begin = storage_.request("POST", name_);
            begin.query = {{"uploads", ""}};
            storage_.add_headers(begin, name_);
            return begin;
        }()));
        HF_TRY(const XmlElement root, parse_xml(response.body));
        upload_ = root.child_text("UploadId");
        if (upload_.empty()) return Error(ErrorCode::corrupt, name_ + ": the service names no upload");
        return {};
    }

    Status send_part() {
        if (upload_.empty()) HF_TRY_STATUS(begin_upload());
        HF_TRY_STATUS(await_part());
        std::swap(filling_, sending_);
        filling_.clear();
        S3Request part = storage_.request("PUT", name_);
        part.query = {{"partNumber", std::to_string(tags_.size() + 1)}, {"uploadId", upload_}};
        part.body = sending_;
        in_flight_ = storage_.client_->start(std::move(part));
        return {};
    }

    Status await_part() {
        if (!in_flight_) return {};
        const auto response = in_flight_->wait();
        in_flight_.reset();
        if (!response.ok()) return response.error();
        const auto tag = response->header("etag");
        if (!tag) return Error(ErrorCode::corrupt, name_ + ": the service gives a part no tag");
        tags_.push_back(*tag);
        return {};
    }

    Status complete() {
        std::string list = "<CompleteMultipartUpload>";
        for (std::size_t i = 0; i < tags_.size(); ++i)
            list += "<Part><PartNumber>" + std::to_string(i + 1) + "</PartNumber><ETag>" + xml_escape(tags_[i]) +
                    "</ETag></Part>";
        list += "</CompleteMultipartUpload>";
        S3Request request = storage_.request("POST", name_);
        request.query = {{"uploadId", upload_}};
        request.body = as_bytes(list);
        if (existing_ == Existing::refuse) request.headers.push_back({std::string(none_match), "*"});
        const auto call = storage_.client_->start(std::move(request));
        const auto response = call->wait();
        is_done_ = response.ok();
        if (is_done_) return storage_.settle(name_, *response, total_bytes_, existing_);
        const ErrorCode code = response.error().code();
        if (call->tries() == 1 || (code != ErrorCode::not_found && code != ErrorCode::already_exists))
            return response.error();
        // An earlier try was carried out, and its answer was lost.
        const auto stored = storage_.head(name_);
        is_done_ = stored.ok() && stored->bytes == total_bytes_;
        return is_done_ ? Status() : response.error();
    }

    S3Storage& storage_;
    const std::string name_;
    const Existing existing_;
    Bytes filling_, sending_;
    std::uint64_t total_bytes_ = 0;
    std::string upload_;
    std::vector<std::string> tags_;  // of the parts that are stored
    std::unique_ptr<S3Call> in_flight_;
    bool is_done_ = false;
};

Result<std::unique_ptr<Storage>> S3Storage::open(const std::string& location,
                                                 OpenMode mode,
                                                 const StorageOptions& options) {
    const Environment environment = options.environment_or_process();
    HF_TRY(S3Location parsed, parse_s3_location(location, environment));
    S3Options s3;
    s3.http.stall_seconds = parsed.stall_seconds;
    s3.backoff = options.backoff;
    s3.http.stop = options.stop;
    s3.http.ca_file = options.ca_file.empty() ? environment("AWS_CA_BUNDLE").value_or("") : options.ca_file;
    HF_TRY(auto client, S3Client::open(std::move(parsed), std::move(s3), environment, system_clock(),
                                       system_random()));
    std::unique_ptr<S3Storage> storage(new S3Storage(std::move(client)));
    if (mode == OpenMode::create) {
        HF_TRY_STATUS(storage->make_bucket(options.wants_locks));
        HF_TRY_STATUS(check_empty(*storage));
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
void S3Storage::add_headers(S3Request& request, const std::string& name) const {
    const std::string& wanted = client_->location().storage_class;
    if (!wanted.empty() && name.starts_with("data/")) request.headers.push_back({"x-amz-storage-class", wanted});
    retention_.add_headers(request, name);
}

Status S3Storage::make_bucket(bool wants_locks) {
    S3Request look;
    look.method = "HEAD";
    const auto found = client_->call(std::move(look));
    if (found.ok()) return {};
    if (found.error().code() != ErrorCode::not_found) return found.error();
    const std::string& region = client_->location().region;
    // Where no region is the first one, it must not be named.
    const std::string body = region == "us-east-1" ? ""
                                                   : "<CreateBucketConfiguration><LocationConstraint>" +
                                                         xml_escape(region) +
                                                         "</LocationConstraint></CreateBucketConfiguration>";
    S3Request make;
    make.method = "PUT";
    make.body = as_bytes(body);
    if (wants_locks) make.headers.push_back({"x-amz-bucket-object-lock-enabled", "true"});
    const auto made = client_->call(std::move(make));
    if (made.ok() || made.error().code() == ErrorCode::already_exists) return {};
    return made.error();
}

Status S3Storage::put(const std::string& name, ByteSpan data, Durability) {
    return put(name, data, Existing::refuse);
}

Status S3Storage::put(const std::string& name, ByteSpan data, Existing existing) {
    S3Request put = request("PUT", name);
    put.body = data;
    if (existing == Existing::refuse) put.headers.push_back({std::string(none_match), "*"});
    add_headers(put, name);
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
    const std::string version = stored.header("x-amz-version-id").value_or("");
    versions_.forget(name);
    HF_TRY(const std::vector<S3ListedVersion> all, versions_.all(name));
    if (existing == Existing::refuse) {
        // Ceph's gateway takes no notice of the condition where it keeps versions: who was first tells the order.
        const auto first = std::find_if(all.rbegin(), all.rend(), [](const S3ListedVersion& one) { return !one.is_delete_marker; });
        if (first == all.rend() || first->id != version) {
            if (!version.empty()) (void)remove_version(name, version).ok();
            return Error(ErrorCode::already_exists, name + ": exists");
        }
        versions_.add(name, {version, bytes, client_->now()});
        return {};
    }
    for (const S3ListedVersion& other : all) {
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
    return ObjectInfo{name, bytes};
}

// What may be less than all is asked for again a few times. It is the service's fault, not damage.
Result<S3ListingPage> S3Storage::list_page(const std::string& prefix, const std::string& continuation) {
    for (int tries_left = 3;; --tries_left) {
        S3Request request;
        request.query = {{"list-type", "2"}, {"prefix", prefix}, {"encoding-type", "url"}};
        if (!continuation.empty()) request.query.emplace_back("continuation-token", continuation);
        request.limit_bytes = max_listing_bytes;
        HF_TRY(const HttpResponse response, client_->call(std::move(request)));
        auto page = parse_listing(response.body, prefix);
        if (page.ok()) return page;
        if (tries_left == 0)
            return Error(ErrorCode::unavailable, page.error().message()).with_context("listing " + description());
    }
}

Status S3Storage::list(const std::string& prefix, const std::function<bool(const ObjectInfo&)>& visit) {
    if (versions_.are_kept())
        return versions_.list(prefix, [&visit](const std::string& name, const S3Version& version) {
            return visit({name, version.bytes});
        });
    const std::string whole = key_of(prefix);
    const std::size_t before = whole.size() - prefix.size();
    std::string last;
    for (std::string continuation;;) {
        HF_TRY(S3ListingPage page, list_page(whole, continuation));
        for (ObjectInfo& info : page.objects) {
            info.name.erase(0, before);
            if (info.name <= last) return Error(ErrorCode::unavailable, "a listing goes back to " + info.name);
            last = info.name;
            if (!visit(info)) return {};
        }
        if (page.continuation.empty()) return {};
        continuation = std::move(page.continuation);
    }
}

Status S3Storage::remove(const std::string& name) {
    if (versions_.are_kept()) {
        HF_TRY(const std::vector<S3ListedVersion> all, versions_.all(name));
        for (const S3ListedVersion& version : all) HF_TRY_STATUS(remove_version(name, version.id));
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
    for (const S3Upload& upload : *uploads) {
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
