#include "storage/s3/s3_cold_tier.h"

#include <algorithm>
#include <deque>
#include <limits>

#include "crypto/sha256.h"
#include "s3/archive.h"
#include "s3/bucket.h"

namespace holdfast {
namespace {

// More than the client has connections (HttpOptions::max_connections), so that none of them waits.
constexpr std::size_t max_on_the_way = 64;
// Where more names of a folder are asked about than this, its listing tells first which of them are archived at all.
constexpr std::size_t asked_one_by_one = 8;

RestoreTier tier_of(ThawSpeed speed) {
    switch (speed) {
        case ThawSpeed::expedited: return RestoreTier::expedited;
        case ThawSpeed::standard: return RestoreTier::standard;
        case ThawSpeed::bulk: return RestoreTier::bulk;
    }
    return RestoreTier::standard;
}

std::string_view folder_of(const std::string& name) {
    return std::string_view(name).substr(0, name.rfind('/') + 1);
}

}  // namespace

S3ColdTier::S3ColdTier(S3Client& client, S3Versions& versions)
    : client_(client), versions_(versions), may_be_frozen_(may_be_archived(client.location().storage_class)) {}

Error S3ColdTier::frozen(const std::string& name) {
    may_be_frozen_ = true;
    return {ErrorCode::frozen, name + ": is frozen in an archive class: `restore --plan` says what a restore needs, "
                                      "`restore --thaw` asks for it, waits and restores"};
}

std::string S3ColdTier::key_of(const std::string& name) const {
    const std::string& prefix = client_.location().prefix;
    return prefix.empty() ? name : prefix + '/' + name;
}

Result<S3Request> S3ColdTier::request_for(std::string method, const std::string& name) {
    S3Request request;
    request.method = std::move(method);
    request.key = key_of(name);
    if (!versions_.are_kept()) return request;
    HF_TRY(const auto first, versions_.first(name));
    if (!first) return Error(ErrorCode::not_found, name + ": no such object");
    request.query.emplace_back("versionId", first->id);
    return request;
}

Status S3ColdTier::for_each_answer(std::span<const std::string> names, const Make& make, const Take& take) {
    std::deque<std::pair<const std::string*, std::unique_ptr<S3Call>>> on_the_way;
    const auto take_first = [&]() -> Status {
        const auto [name, call] = std::move(on_the_way.front());
        on_the_way.pop_front();
        return take(*name, call->wait());
    };
    for (const std::string& name : names) {
        if (on_the_way.size() == max_on_the_way) HF_TRY_STATUS(take_first());
        auto request = make(name);
        if (!request.ok() && request.error().code() == ErrorCode::not_found) continue;
        HF_TRY(S3Request made, std::move(request));
        on_the_way.emplace_back(&name, client_.start(std::move(made)));
    }
    while (!on_the_way.empty()) HF_TRY_STATUS(take_first());
    return {};
}

// Folder by folder.
Status S3ColdTier::look(std::span<const std::string> names, const Visit& visit) {
    std::vector<std::string> sorted(names.begin(), names.end());
    std::sort(sorted.begin(), sorted.end());
    for (std::span<const std::string> rest(sorted); !rest.empty();) {
        const std::string_view folder = folder_of(rest.front());
        const auto end = std::find_if(rest.begin(), rest.end(),
                                      [folder](const std::string& name) { return folder_of(name) != folder; });
        const auto of_folder = rest.first(static_cast<std::size_t>(end - rest.begin()));
        // The latest version, which a listing tells of, need not be the one that counts.
        const bool is_listed = of_folder.size() > asked_one_by_one && !versions_.are_kept();
        HF_TRY_STATUS(is_listed ? look_at_folder(of_folder, visit) : look_at_each(of_folder, visit));
        rest = rest.subspan(of_folder.size());
    }
    return {};
}

// `names` of one folder, sorted.
Status S3ColdTier::look_at_folder(std::span<const std::string> names, const Visit& visit) {
    const std::string folder(folder_of(names.front()));
    const std::size_t before = key_of("").size();
    std::vector<std::string> archived;
    HF_TRY_STATUS(for_each_object(client_, key_of(folder), [&](S3Object& object) -> Result<bool> {
        const std::string name = object.key.substr(before);
        if (!std::binary_search(names.begin(), names.end(), name)) return name <= names.back();
        if (may_be_archived(object.storage_class)) archived.push_back(name);
        else visit(name, {});
        return true;
    }));
    return look_at_each(archived, visit);
}

Status S3ColdTier::look_at_each(std::span<const std::string> names, const Visit& visit) {
    return for_each_answer(
        names, [this](const std::string& name) { return request_for("HEAD", name); },
        [&](const std::string& name, const Result<HttpResponse>& answer) -> Status {
            if (!answer.ok() && answer.error().code() == ErrorCode::not_found) return {};
            if (!answer.ok()) return answer.error();
            HF_TRY(const Readability is, readability_in(name, *answer));
            visit(name, is);
            return {};
        });
}

Result<Readability> S3ColdTier::readability_in(const std::string& name, const HttpResponse& answer) {
    using State = Readability::State;
    const auto told = archive_state_of(answer);
    if (!told.ok()) return Error(told.error()).with_context("asking for " + name);
    if (!told->is_archived) return Readability{};
    may_be_frozen_ = true;
    if (told->is_tiered) {
        const std::lock_guard lock(mutex_);
        tiered_.insert(name);
    }
    if (!told->restore) return Readability{State::frozen};
    if (told->restore->is_ongoing) return Readability{State::thawing};
    // Some services go on saying so when it is over.
    const TimeNs until = told->restore->expiry.value_or(std::numeric_limits<TimeNs>::max());
    if (until <= now()) return Readability{State::frozen};
    return Readability{State::readable, until};
}

bool S3ColdTier::is_tiered(const std::string& name) const {
    const std::lock_guard lock(mutex_);
    return tiered_.contains(name);
}

Status S3ColdTier::thaw(std::span<const std::string> names, const ThawRequest& request) {
    const std::string for_days = restore_request_body(tier_of(request.speed), request.days),
                      for_good = restore_request_body(tier_of(request.speed), 0);
    return for_each_answer(
        names,
        [&](const std::string& name) -> Result<S3Request> {
            HF_TRY(S3Request ask, request_for("POST", name));
            ask.query.emplace_back("restore", "");
            ask.body = as_bytes(is_tiered(name) ? for_good : for_days);
            ask.headers.push_back({"content-md5", to_base64(md5(ask.body))});
            return ask;
        },
        [](const std::string& name, const Result<HttpResponse>& answer) -> Status {
            // Somebody else has asked, or an earlier try was carried out; or it was removed meanwhile.
            const bool is_done = answer.ok() || answer.error().code() == ErrorCode::already_exists ||
                                 answer.error().code() == ErrorCode::not_found;
            return is_done ? ok_status() : Status(Error(answer.error()).with_context("asking for " + name));
        });
}

}  // namespace holdfast
