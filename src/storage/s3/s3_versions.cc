#include "storage/s3/s3_versions.h"

namespace holdfast {
namespace {

constexpr std::uint64_t max_listing_bytes = 8u << 20;
// The version of an object in a bucket that keeps none.
constexpr std::string_view no_version = "null";

}  // namespace

bool S3Versions::are_kept() const {
    const std::lock_guard lock(mutex_);
    return are_kept_.value_or(false);
}

bool S3Versions::is_known() const {
    const std::lock_guard lock(mutex_);
    return are_kept_.has_value();
}

std::string S3Versions::key_of(const std::string& name) const {
    const std::string& prefix = client_.location().prefix;
    return prefix.empty() ? name : prefix + '/' + name;
}

Status S3Versions::learn(const std::string& name, const Result<HttpResponse>& response) {
    bool has_versions = false;
    if (response.ok()) {
        const std::string version = response->header("x-amz-version-id").value_or("");
        has_versions = !version.empty() && version != no_version;
    } else {
        if (response.error().code() != ErrorCode::not_found) return {};
        // Nothing of this name: or somebody has marked it as deleted.
        const Status listed = list_name(name, [&has_versions](const S3ListedVersion& version) {
            has_versions = has_versions || version.is_delete_marker || version.id != no_version;
        });
        // Who may not ask, or a bucket that is not there; or an empty place, of which nothing can be said.
        if (!listed.ok() || !has_versions) return {};
    }
    bool are_kept = false;
    if (has_versions) {
        HF_TRY(are_kept, has_object_lock());
    }
    const std::lock_guard lock(mutex_);
    are_kept_ = are_kept;
    return {};
}

Result<bool> S3Versions::has_object_lock() {
    S3Request request;
    request.query = {{"object-lock", ""}};
    const auto response = client_.call(std::move(request));
    if (!response.ok() && response.error().code() == ErrorCode::unavailable) return response.error();
    if (!response.ok()) return false;
    HF_TRY(const XmlElement root, parse_xml(response->body));
    return root.child_text("ObjectLockEnabled") == "Enabled";
}

void S3Versions::add(const std::string& name, S3Version version) {
    const std::lock_guard lock(mutex_);
    known_.try_emplace(name, std::move(version));
}

void S3Versions::forget(const std::string& name) {
    const std::lock_guard lock(mutex_);
    known_.erase(name);
}

Result<S3VersionsPage> S3Versions::page(const std::string& prefix, const S3VersionsPage& before) {
    for (int tries_left = 3;; --tries_left) {
        S3Request request;
        request.query = {{"versions", ""}, {"prefix", prefix}, {"encoding-type", "url"}};
        if (!before.key_marker.empty()) request.query.emplace_back("key-marker", before.key_marker);
        if (!before.version_marker.empty()) request.query.emplace_back("version-id-marker", before.version_marker);
        request.limit_bytes = max_listing_bytes;
        HF_TRY(const HttpResponse response, client_.call(std::move(request)));
        auto parsed = parse_versions(response.body, prefix);
        if (parsed.ok()) return parsed;
        if (tries_left == 0)
            return Error(ErrorCode::unavailable, parsed.error().message())
                .with_context("listing " + client_.location().description());
    }
}

Status S3Versions::list(const std::string& prefix, const Visit& visit) {
    const std::string whole = key_of(prefix);
    const std::size_t before = whole.size() - prefix.size();
    std::optional<S3ListedVersion> oldest;  // of the key at hand, so far
    std::string last;
    const auto tell = [&]() -> bool {
        if (!oldest) return true;
        const std::string name = oldest->key.substr(before);
        const S3Version version{oldest->id, oldest->bytes, oldest->modified};
        oldest.reset();
        add(name, version);
        return visit(name, version);
    };
    for (S3VersionsPage at;;) {
        HF_TRY(at, page(whole, at));
        for (S3ListedVersion& version : at.versions) {
            if (version.key < last) return Error(ErrorCode::unavailable, "a listing goes back to " + version.key);
            if (version.key != last && !tell()) return {};
            last = version.key;
            if (!version.is_delete_marker) oldest = std::move(version);
        }
        if (at.is_last) break;
        at.versions.clear();
    }
    if (!tell()) return {};
    const std::lock_guard lock(mutex_);
    listed_.insert(prefix);
    return {};
}

Status S3Versions::list_name(const std::string& name, const std::function<void(const S3ListedVersion&)>& visit) {
    const std::string key = key_of(name);
    for (S3VersionsPage at;;) {
        HF_TRY(at, page(key, at));
        for (const S3ListedVersion& version : at.versions) {
            // Names that begin alike come after all of this one.
            if (version.key != key) return {};
            visit(version);
        }
        if (at.is_last) return {};
        at.versions.clear();
    }
}

Result<std::optional<S3Version>> S3Versions::first(const std::string& name) {
    const std::string folder = name.substr(0, name.rfind('/') + 1);
    bool is_listed = true;
    {
        const std::lock_guard lock(mutex_);
        const auto found = known_.find(name);
        if (found != known_.end()) return std::optional(found->second);
        is_listed = folder.empty() || listed_.contains(folder);
    }
    std::optional<S3Version> first;
    if (!is_listed) {
        HF_TRY_STATUS(list(folder, [&](const std::string& one, const S3Version& version) {
            if (one == name) first = version;
            return true;
        }));
        return first;
    }
    // Others may have stored it since.
    HF_TRY_STATUS(list_name(name, [&first](const S3ListedVersion& version) {
        if (!version.is_delete_marker) first = S3Version{version.id, version.bytes, version.modified};
    }));
    if (first) add(name, *first);
    return first;
}

Result<std::vector<S3ListedVersion>> S3Versions::all(const std::string& name) {
    std::vector<S3ListedVersion> all;
    HF_TRY_STATUS(list_name(name, [&all](const S3ListedVersion& version) { all.push_back(version); }));
    return all;
}

}  // namespace holdfast
