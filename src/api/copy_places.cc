#include "api/copy_places.h"

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <set>

#include "api/point_selection.h"
#include "base/block_devices.h"
#include "s3/location.h"
#include "storage/storage.h"

namespace holdfast {
namespace {

constexpr std::string_view files_scheme = "files:";

std::string path_of(const std::string& source) {
    const std::string path = source.starts_with(files_scheme) ? source.substr(files_scheme.size()) : source;
    const std::unique_ptr<char, void (*)(void*)> real(::realpath(path.c_str(), nullptr), std::free);
    return real ? real.get() : path;
}

std::string bucket_device(const S3Location& location) { return "bucket " + location.authority + '/' + location.bucket; }

bool is_files(const std::string& source) {
    const std::size_t colon = source.find(':');
    return source.starts_with(files_scheme) || colon == std::string::npos || source.find('/') < colon;
}

std::vector<std::string> devices_of_source(const std::string& source) {
    if (source.starts_with(S3BucketUrl::scheme)) {
        const auto bucket = parse_s3_bucket_url(source, process_environment());
        return bucket.ok() ? std::vector{bucket_device(bucket->location)} : std::vector<std::string>{};
    }
    return is_files(source) ? devices_below(path_of(source)) : std::vector<std::string>{};
}

// One of a kind that is not known is a device of its own.
std::vector<std::string> devices_of_repository(const std::string& url) {
    if (const auto directory = local_directory(url)) return devices_below(*directory);
    constexpr std::string_view s3 = "s3:";
    if (url.starts_with(s3))
        if (const auto location = parse_s3_location(std::string_view(url).substr(s3.size()), process_environment()); location.ok())
            return {bucket_device(*location)};
    // "sftp://HOST/PATH", "sftp:HOST:PATH", "rados:POOL/NAMESPACE", "swift:CONTAINER/PREFIX": without what is below.
    std::size_t begin = url.find(':');
    if (begin == std::string::npos) return {url};
    begin = url.find_first_not_of('/', begin + 1);
    const std::size_t end = begin == std::string::npos ? begin : url.find_first_of("/:", begin);
    return {url.substr(0, end)};
}

CopyPlace place_of(const RepositoryConfig& repository, const std::string& own_site, const std::vector<std::string>& source_devices) {
    CopyPlace place;
    place.repository = repository.name;
    place.medium = repository.medium;
    // A directory of this machine is where the machine is.
    const bool is_here = local_directory(repository.url).has_value();
    place.site = repository.site.empty() && is_here ? own_site : repository.site;
    place.devices = devices_of_repository(repository.url);
    place.is_on_source_device =
        std::any_of(place.devices.begin(), place.devices.end(), [&](const std::string& device) {
            return std::find(source_devices.begin(), source_devices.end(), device) != source_devices.end();
        });
    return place;
}

bool has_points(const RepositoryFacts& facts, const std::pair<std::string, std::string>& identity) {
    return std::any_of(facts.points.begin(), facts.points.end(), [&](const PointFacts& point) {
        return point.host == identity.first && point.name == identity.second;
    });
}

}  // namespace

std::string identity_name_of(const std::string& source) {
    if (source.starts_with(S3BucketUrl::scheme)) {
        const auto bucket = parse_s3_bucket_url(source, process_environment());
        return bucket.ok() ? bucket->name() : source;
    }
    if (source.starts_with("generated:")) return "generated";
    return is_files(source) ? path_of(source) : source;
}

std::pair<std::string, std::string> identity_of(const SourceConfig& source) {
    return {source.host.value_or(this_host()), source.identity_name.value_or(identity_name_of(source.source))};
}

ProtectedSource protected_source(const Config& config,
                                 const SourceConfig& source,
                                 const std::map<std::string, RepositoryFacts>& facts) {
    ProtectedSource result;
    result.name = source.name;
    const auto identity = identity_of(source);
    result.host = identity.first;
    result.identity_name = identity.second;
    result.site = source.site;
    std::vector<std::string> names = {source.repository};
    if (source.policy) {
        const PolicyConfig& policy = config.policies.at(*source.policy);
        result.objectives = policy.objectives;
        names.insert(names.end(), policy.copies.begin(), policy.copies.end());
    }
    for (const auto& [name, known] : facts)
        if (has_points(known, identity)) names.push_back(name);
    const std::vector<std::string> devices = devices_of_source(source.source);
    std::set<std::string> taken;
    for (const std::string& name : names) {
        const auto repository = config.repositories.find(name);
        if (repository != config.repositories.end() && taken.insert(name).second)
            result.places.push_back(place_of(repository->second, config.site, devices));
    }
    return result;
}

}  // namespace holdfast
