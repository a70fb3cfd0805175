#include "storage/s3/s3_versions.h"

namespace holdfast {
namespace {

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
        const Status listed = list_name(name, [&has_versions](const S3Version& version) {
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

void S3Versions::add(const std::string& name, S3KeptVersion version) {
    const std::lock_guard lock(mutex_);
    known_.try_emplace(name, std::move(version));
}

void S3Versions::forget(const std::string& name) {
    const std::lock_guard lock(mutex_);
    known_.erase(name);
}

Status S3Versions::list(const std::string& prefix, const Visit& visit) {
    const std::string whole = key_of(prefix);
    const std::size_t before = whole.size() - prefix.size();
    std::optional<S3Version> oldest;  // of the key at hand, so far
    std::string last;
    const auto tell = [&]() -> bool {
        if (!oldest) return true;
        const std::string name = oldest->object.key.substr(before);
        const S3KeptVersion version{oldest->id, oldest->object.bytes, oldest->object.modified};
        oldest.reset();
        add(name, version);
        return visit(name, version);
    };
    bool goes_on = true;
    HF_TRY_STATUS(for_each_version(client_, whole, [&](S3Version& version) -> Result<bool> {
        const std::string& key = version.object.key;
        if (key != last) goes_on = tell();
        last = key;
        if (!version.is_delete_marker) oldest = std::move(version);
        return goes_on;
    }));
    if (!goes_on || !tell()) return {};
    const std::lock_guard lock(mutex_);
    listed_.insert(prefix);
    return {};
}

Status S3Versions::list_name(const std::string& name, const std::function<void(const S3Version&)>& visit) {
    const std::string key = key_of(name);
    return for_each_version(client_, key, [&key, &visit](const S3Version& version) -> Result<bool> {
        // Names that begin alike come after all of this one.
        if (version.object.key != key) return false;
        visit(version);
        return true;
    });
}

Result<std::optional<S3KeptVersion>> S3Versions::first(const std::string& name) {
    const std::string folder = name.substr(0, name.rfind('/') + 1);
    bool is_listed = true;
    {
        const std::lock_guard lock(mutex_);
        const auto found = known_.find(name);
        if (found != known_.end()) return std::optional(found->second);
        is_listed = folder.empty() || listed_.contains(folder);
    }
    std::optional<S3KeptVersion> first;
    if (!is_listed) {
        HF_TRY_STATUS(list(folder, [&](const std::string& one, const S3KeptVersion& version) {
            if (one == name) first = version;
            return true;
        }));
        return first;
    }
    // Others may have stored it since.
    HF_TRY_STATUS(list_name(name, [&first](const S3Version& version) {
        if (!version.is_delete_marker) first = S3KeptVersion{version.id, version.object.bytes, version.object.modified};
    }));
    if (first) add(name, *first);
    return first;
}

Result<std::vector<S3Version>> S3Versions::all(const std::string& name) {
    std::vector<S3Version> all;
    HF_TRY_STATUS(list_name(name, [&all](const S3Version& version) { all.push_back(version); }));
    return all;
}

}  // namespace holdfast
