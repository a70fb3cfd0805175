#include "api/replica_definition.h"

#include <dirent.h>

#include <cerrno>
#include <nlohmann/json.hpp>

#include "api/configuration.h"
#include "api/source_record.h"
#include "base/edit_distance.h"
#include "base/file_io.h"
#include "base/quantity.h"
#include "s3/bucket.h"

namespace holdfast {
namespace {

using Json = nlohmann::json;
constexpr std::uint64_t max_definition_bytes = 1 << 20;
constexpr std::string_view ending = ".json";

// Longer than a request that moves nothing takes to fail, so that it is tried again; then it is told, and the next pass
// tries again.
constexpr BackoffPolicy backoff{ns_per_second / 10, 5 * ns_per_second, 45 * ns_per_second};

Json json_of(const ReplicaSideConfig& side) {
    Json document = {{"url", side.url}};
    if (side.keys.profile) document["profile"] = *side.keys.profile;
    if (side.ca_file) document["ca_file"] = *side.ca_file;
    return document;
}

std::string text_in(const Json& document, const char* name) {
    const auto found = document.find(name);
    return found != document.end() && found->is_string() ? found->get<std::string>() : std::string();
}

TimeNs time_in(const Json& document, const char* name) {
    const auto found = document.find(name);
    return found != document.end() && found->is_number_integer() ? found->get<TimeNs>() : 0;
}

ReplicaSideConfig side_in(const Json& document, const char* name) {
    ReplicaSideConfig side;
    const auto found = document.find(name);
    if (found == document.end() || !found->is_object()) return side;
    side.url = text_in(*found, "url");
    if (const std::string profile = text_in(*found, "profile"); !profile.empty()) side.keys.profile = profile;
    if (const std::string file = text_in(*found, "ca_file"); !file.empty()) side.ca_file = file;
    return side;
}

Result<ReplicaConfig> read_replica(const std::string& name) {
    const std::string path = replica_file(name, ".json");
    HF_TRY(const Bytes data, read_file(path, max_definition_bytes));
    const Json document = Json::parse(as_text(data), nullptr, false);
    if (!document.is_object()) return Error(ErrorCode::corrupt, path + ": not the definition of a replica");
    ReplicaConfig replica;
    replica.name = name;
    replica.source = side_in(document, "source");
    replica.target = side_in(document, "target");
    replica.rpo = time_in(document, "rpo_ns");
    replica.interval = time_in(document, "interval_ns");
    return replica;
}

// Those that were written down.
Result<std::vector<std::string>> written_names() {
    std::vector<std::string> names;
    const std::string directory = replica_directory();
    const std::unique_ptr<DIR, int (*)(DIR*)> stream(::opendir(directory.c_str()), &::closedir);
    if (!stream) {
        if (errno == ENOENT) return names;
        return Error::from_errno(errno, directory);
    }
    while (const dirent* const entry = ::readdir(stream.get())) {
        const std::string_view file = entry->d_name;
        if (!file.ends_with(ending)) continue;
        const std::string name(file.substr(0, file.size() - ending.size()));
        if (is_config_name(name)) names.push_back(name);
    }
    return names;
}

}  // namespace

std::string replica_directory() { return default_places().state + "/replica"; }

std::string replica_file(const std::string& name, const char* file_ending) {
    return replica_directory() + '/' + name + file_ending;
}

Result<std::map<std::string, ReplicaDefinition>> known_replicas(const std::optional<std::string>& config_file) {
    HF_TRY(Config config, load_configuration(config_file));
    std::map<std::string, ReplicaDefinition> replicas;
    for (auto& [name, replica] : config.replicas) replicas.emplace(name, ReplicaDefinition{std::move(replica), true});
    HF_TRY(const std::vector<std::string> names, written_names());
    for (const std::string& name : names) {
        HF_TRY(ReplicaConfig replica, read_replica(name));
        const auto [known, is_new] = replicas.emplace(name, ReplicaDefinition{std::move(replica), false});
        if (!is_new)
            return Error(ErrorCode::conflict, "the replica '" + name + "' is in the configuration and was created, too (" +
                                                  replica_file(name, ".json") + "): give one of them another name");
    }
    return replicas;
}

Result<std::vector<ReplicaDefinition>> chosen_replicas(const std::optional<std::string>& config_file,
                                                       const std::vector<std::string>& names) {
    HF_TRY(const auto known, known_replicas(config_file));
    std::vector<ReplicaDefinition> chosen;
    std::vector<std::string> words;
    for (const auto& [name, replica] : known) {
        words.push_back(name);
        if (names.empty()) chosen.push_back(replica);
    }
    for (const std::string& name : names) {
        const auto found = known.find(name);
        if (found == known.end()) {
            const std::string meant = closest_word(name, words);
            return Error(ErrorCode::invalid_argument,
                         "no replica '" + name + "'" + (meant.empty() ? "" : ": did you mean '" + meant + "'?"));
        }
        chosen.push_back(found->second);
    }
    if (chosen.empty())
        return Error(ErrorCode::invalid_argument, "there is no replica: `holdfast replica create SOURCE TARGET` makes one");
    return chosen;
}

Status write_replica(const ReplicaConfig& replica) {
    const Json document = {{"schema", 1},
                           {"source", json_of(replica.source)},
                           {"target", json_of(replica.target)},
                           {"rpo_ns", replica.rpo},
                           {"interval_ns", replica.interval}};
    HF_TRY_STATUS(make_durable_directories(replica_directory(), 0700));
    const std::string text = document.dump(2, ' ', false, Json::error_handler_t::replace) + '\n';
    return replace_file(replica_file(replica.name, ".json"), as_bytes(text), 0600);
}

Result<UniqueFd> lock_replica(const std::string& name) { return lock_named(replica_directory(), name, "replica"); }

Result<BandwidthLimits> replica_limits(const AccessRequest& access, const ReplicaConfig& replica) {
    BandwidthLimits limits;
    if (const auto upload = access.limit_upload ? access.limit_upload : replica.limit_upload) {
        HF_TRY(limits.upload_bytes_per_second, parse_byte_count(*upload));
    }
    if (const auto download = access.limit_download ? access.limit_download : replica.limit_download) {
        HF_TRY(limits.download_bytes_per_second, parse_byte_count(*download));
    }
    return limits;
}

Result<std::unique_ptr<S3Client>> open_replica_side(const ReplicaSideConfig& side,
                                                    std::stop_token stop,
                                                    const BandwidthLimits& limits) {
    HF_TRY(const Environment environment, environment_with(side.keys));
    HF_TRY(const S3BucketUrl url, parse_s3_bucket_url(side.url, environment));
    const std::string ca_file = side.ca_file.value_or(process_environment()("HOLDFAST_CA_FILE").value_or(""));
    return open_s3_client(url.location, ca_file, backoff, std::move(stop), environment, limits);
}

std::string describe_sides(const S3Client& source, const S3Client& target) {
    return source.location().description() + " -> " + target.location().description();
}

}  // namespace holdfast
