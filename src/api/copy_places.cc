#include "api/copy_places.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <set>

#include "api/point_selection.h"
#include "base/block_devices.h"
#include "base/lower_case.h"
#include "s3/location.h"
#include "storage/sftp/sftp_location.h"
#include "storage/storage.h"

namespace holdfast {
namespace {

constexpr std::string_view files_scheme = "files:";

// Where it is; what is not there is where its name says, without a slash at its end.
std::string path_of(const std::string& source) {
    std::string path = source.starts_with(files_scheme) ? source.substr(files_scheme.size()) : source;
    const std::unique_ptr<char, void (*)(void*)> real(::realpath(path.c_str(), nullptr), std::free);
    if (real) return real.get();
    while (path.size() > 1 && path.ends_with('/')) path.pop_back();
    return path;
}

// A host by its name alone: whatever is spoken to it, it is lost at once.
std::string host_of(const std::string& authority) {
    std::string host = in_lower_case(authority);
    const std::size_t colon = host.rfind(':');
    if (colon != std::string::npos && host.find(']', colon) == std::string::npos) host.resize(colon);
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    return host;
}

// Of a service that is one machine it is not known; a bucket is what surely is one place.
std::string bucket_device(const S3Location& location) {
    return "bucket " + in_lower_case(location.authority) + '/' + location.bucket;
}

bool is_files(const std::string& source) {
    const std::size_t colon = source.find(':');
    return source.starts_with(files_scheme) || colon == std::string::npos || source.find('/') < colon;
}

// Of another host nothing is known, nor of what is not there.
std::vector<std::string> devices_of_source(const SourceConfig& source) {
    if (source.source.starts_with(S3BucketUrl::scheme)) {
        const auto bucket = parse_s3_bucket_url(source.source, process_environment());
        return bucket.ok() ? std::vector{bucket_device(bucket->location)} : std::vector<std::string>{};
    }
    const bool is_here = source.host.value_or(this_host()) == this_host();
    if (!is_files(source.source) || !is_here) return {};
    const std::string path = path_of(source.source);
    if (::access(path.c_str(), F_OK) != 0) return {};
    return source.one_file_system ? devices_below(path) : devices_below_tree(path);
}

// The variable of the repository's own environment that says which service it is.
std::string service_of(const RepositoryConfig& repository) {
    for (const char* name : {"OS_AUTH_URL", "OS_STORAGE_URL", "ST_AUTH", "CEPH_CONF"})
        if (const auto found = repository.environment.find(name); found != repository.environment.end())
            return ' ' + found->second.text;
    return "";
}

// One of a kind that is not known is a device of its own.
std::vector<std::string> devices_of_repository(const RepositoryConfig& repository) {
    const std::string& url = repository.url;
    if (const auto directory = local_directory(url)) return devices_below(*directory);
    constexpr std::string_view s3 = "s3:", sftp = "sftp:";
    if (url.starts_with(s3))
        if (const auto location = parse_s3_location(std::string_view(url).substr(s3.size()), process_environment()); location.ok())
            return {bucket_device(*location)};
    if (url.starts_with(sftp))
        if (const auto location = parse_sftp_location(std::string_view(url).substr(sftp.size())); location.ok())
            return {"server " + host_of(location->host)};
    // "rados:POOL/NAMESPACE", "swift:CONTAINER/PREFIX": without what is below.
    const std::size_t begin = url.find_first_not_of('/', url.find(':') + 1);
    const std::size_t end = begin == std::string::npos ? begin : url.find_first_of("/:", begin);
    return {url.substr(0, end) + service_of(repository)};
}

// Whether it is in one of these buckets, below its prefix.
bool is_in_replica(const std::string& url, const std::vector<S3Location>& targets) {
    constexpr std::string_view s3 = "s3:";
    if (!url.starts_with(s3)) return false;
    const auto location = parse_s3_location(std::string_view(url).substr(s3.size()), process_environment());
    if (!location.ok()) return false;
    return std::any_of(targets.begin(), targets.end(), [&](const S3Location& target) {
        const bool is_below = target.prefix.empty() || (location->prefix + '/').starts_with(target.prefix + '/');
        return bucket_device(*location) == bucket_device(target) && is_below;
    });
}

CopyPlace place_of(const RepositoryConfig& repository, const std::string& own_site, const std::vector<std::string>& source_devices) {
    CopyPlace place;
    place.repository = repository.name;
    place.medium = repository.medium;
    // A directory of this machine is where the machine is.
    const bool is_here = local_directory(repository.url).has_value();
    place.site = repository.site.empty() && is_here ? own_site : repository.site;
    place.devices = devices_of_repository(repository);
    place.is_on_source_device =
        std::any_of(place.devices.begin(), place.devices.end(), [&](const std::string& device) {
            return std::find(source_devices.begin(), source_devices.end(), device) != source_devices.end();
        });
    return place;
}

bool has_points(const RepositoryFacts& facts, const Identity& identity) {
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

Identity identity_of(const SourceConfig& source, const Identity& of_last_run) {
    const bool is_gone = is_files(source.source) && ::access(path_of(source.source).c_str(), F_OK) != 0;
    const std::string host = source.host.value_or(this_host());
    if (source.identity_name) return {host, *source.identity_name};
    if (is_gone && of_last_run.first == host && !of_last_run.second.empty()) return of_last_run;
    return {host, identity_name_of(source.source)};
}

ProtectedSource protected_source(const Config& config,
                                 const SourceConfig& source,
                                 const Identity& identity,
                                 const std::vector<S3Location>& replica_targets,
                                 const std::map<std::string, RepositoryFacts>& facts) {
    ProtectedSource result;
    result.name = source.name;
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
    const std::vector<std::string> devices = devices_of_source(source);
    std::set<std::string> taken;
    for (const std::string& name : names) {
        const auto repository = config.repositories.find(name);
        if (repository == config.repositories.end() || !taken.insert(name).second) continue;
        result.places.push_back(place_of(repository->second, config.site, devices));
        result.places.back().is_replica = is_in_replica(repository->second.url, replica_targets);
    }
    return result;
}

}  // namespace holdfast
