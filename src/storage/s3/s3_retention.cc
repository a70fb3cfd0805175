#include "storage/s3/s3_retention.h"

#include "base/random.h"
#include "crypto/sha256.h"

namespace holdfast {
namespace {

constexpr TimeNs probe_duration = 60 * ns_per_second;

std::string mode_name(LockMode mode) {
    return mode == LockMode::compliance ? "COMPLIANCE" : "GOVERNANCE";
}

// Services take whole seconds; never less than was asked for.
std::string time_text(TimeNs time) {
    return format_rfc3339((time + ns_per_second - 1) / ns_per_second * ns_per_second);
}

void add_lock(S3Request& request, LockMode mode, TimeNs until) {
    request.headers.push_back({"x-amz-object-lock-mode", mode_name(mode)});
    request.headers.push_back({"x-amz-object-lock-retain-until-date", time_text(until)});
    // Asked for with a lock, whatever else the request is signed with.
    if (request.method == "PUT") request.headers.push_back({"content-md5", to_base64(md5(request.body))});
}

Error pretends(const std::string& what) {
    return {ErrorCode::unsupported, "the service does not keep locks: " + what +
                                        " (a repository with --lock needs a bucket with object lock)"};
}

}  // namespace

void S3Retention::lock_new(LockMode mode, TimeNs duration, std::function<bool(const std::string&)> is_locked) {
    const std::lock_guard lock(mutex_);
    mode_ = mode;
    duration_ = duration;
    is_locked_ = std::move(is_locked);
}

void S3Retention::add_headers(S3Request& request, const std::string& name) const {
    const std::lock_guard lock(mutex_);
    if (is_locked_ && is_locked_(name)) add_lock(request, mode_, client_.now() + duration_);
}

S3Request S3Retention::request_for(std::string method, const std::string& name, const std::string& version) const {
    const std::string& prefix = client_.location().prefix;
    S3Request request;
    request.method = std::move(method);
    request.key = prefix.empty() ? name : prefix + '/' + name;
    request.query = {{"versionId", version}};
    return request;
}

Result<std::optional<TimeNs>> S3Retention::locked_until(const std::string& name) {
    HF_TRY(const auto version, versions_.first(name));
    if (!version) return Error(ErrorCode::not_found, name + ": no such object");
    return locked_until(name, version->id);
}

Result<std::optional<TimeNs>> S3Retention::locked_until(const std::string& name, const std::string& version) {
    const auto response = client_.call(request_for("HEAD", name, version));
    if (!response.ok()) return response.error();
    const auto until = response->header("x-amz-object-lock-retain-until-date");
    if (!until || !response->header("x-amz-object-lock-mode")) return std::optional<TimeNs>();
    HF_TRY(const TimeNs time, parse_rfc3339(*until));
    return time > client_.now() ? std::optional(time) : std::nullopt;
}

Status S3Retention::extend(const std::string& name, TimeNs until) {
    HF_TRY(const auto version, versions_.first(name));
    if (!version) return Error(ErrorCode::not_found, name + ": no such object");
    LockMode mode;
    {
        const std::lock_guard lock(mutex_);
        mode = mode_;
    }
    const std::string body = "<Retention><Mode>" + mode_name(mode) + "</Mode><RetainUntilDate>" + time_text(until) +
                             "</RetainUntilDate></Retention>";
    S3Request request = request_for("PUT", name, version->id);
    request.query.emplace_back("retention", "");
    request.body = as_bytes(body);
    request.headers.push_back({"content-md5", to_base64(md5(request.body))});
    const auto response = client_.call(std::move(request));
    if (response.ok()) return {};
    // Shortening is refused: somebody has extended it further.
    if (response.error().code() != ErrorCode::permission_denied) return response.error();
    HF_TRY(const auto now, locked_until(name, version->id));
    return now && *now >= until ? Status() : response.error();
}

Status S3Retention::prove(LockMode mode) {
    HF_TRY_STATUS(prove_lock(mode));
    return prove_no_default();
}

// A locked version must say that it is locked, and stay when its removal is asked for.
Status S3Retention::prove_lock(LockMode mode) {
    const std::string name = probe_folder + to_hex(system_random().array<16>());
    S3Request put = request_for("PUT", name, "");
    put.query.clear();
    const std::string text = "locked for a minute, to see whether locks hold";
    put.body = as_bytes(text);
    const TimeNs until = client_.now() + probe_duration;
    add_lock(put, mode, until);
    const auto stored = client_.call(std::move(put));
    if (!stored.ok() && stored.error().code() != ErrorCode::unavailable && stored.error().code() != ErrorCode::cancelled)
        return pretends(stored.error().message());
    if (!stored.ok()) return stored.error();
    const std::string version = stored->header("x-amz-version-id").value_or("");
    if (version.empty() || version == "null") return pretends("the bucket keeps no versions");
    HF_TRY(const auto told, locked_until(name, version));
    if (!told || *told < until - ns_per_second) return pretends("an object that was to be locked does not say so");
    const auto removed = client_.call(request_for("DELETE", name, version));
    if (removed.ok()) return pretends("a locked version was removed");
    const auto there = client_.call(request_for("HEAD", name, version));
    if (!there.ok()) return pretends("a locked version is gone");
    return {};
}

// What is not to be locked must not be: leases would stay, and be paid for, for as long as the lock.
Status S3Retention::prove_no_default() {
    const std::string name = probe_folder + to_hex(system_random().array<16>());
    S3Request put = request_for("PUT", name, "");
    put.query.clear();
    const auto stored = client_.call(std::move(put));
    if (!stored.ok()) return stored.error();
    const std::string version = stored->header("x-amz-version-id").value_or("");
    HF_TRY(const auto told, locked_until(name, version));
    const auto removed = client_.call(request_for("DELETE", name, version));
    if (told || !removed.ok())
        return Error(ErrorCode::unsupported,
                     "the bucket locks every object by a default retention, leases and marks too: take it away, "
                     "Holdfast locks what has to be locked");
    return {};
}

}  // namespace holdfast
