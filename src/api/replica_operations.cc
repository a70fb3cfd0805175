#include "api/replica_operations.h"

#include <unistd.h>

#include <cerrno>

#include "api/replica_definition.h"
#include "api/source_record.h"
#include "base/file_io.h"
#include "base/quantity.h"
#include "replication/bucket_rules.h"

namespace holdfast {
namespace {

Result<TimeNs> duration_of(const std::optional<std::string>& text) {
    if (!text) return TimeNs{0};
    return parse_duration(*text);
}

double seconds_of(TimeNs time) { return static_cast<double>(time) / static_cast<double>(ns_per_second); }

Result<ReplicaDefinition> one_replica(const AccessRequest& access, const std::string& name) {
    HF_TRY(const std::vector<ReplicaDefinition> found, chosen_replicas(access.config_file, {name}));
    return found.front();
}

bool is_paused(const std::string& name) { return ::access(replica_file(name, ".paused").c_str(), F_OK) == 0; }

Status remove_file(const std::string& path) {
    if (::unlink(path.c_str()) == 0 || errno == ENOENT) return {};
    return Error::from_errno(errno, path);
}

ReplicaCondition condition_of(const ReplicaStatus& status, bool paused) {
    if (paused) return ReplicaCondition::paused;
    if (!status.figures.error.empty() || status.figures.failed_keys != 0) return ReplicaCondition::failing;
    if (!status.lag_seconds) return ReplicaCondition::unborn;
    return status.rpo_seconds && *status.lag_seconds > *status.rpo_seconds ? ReplicaCondition::behind
                                                                            : ReplicaCondition::following;
}

Result<ReplicaStatus> status_of(const ReplicaDefinition& replica, TimeNs rpo) {
    const ReplicaConfig& config = replica.config;
    ReplicaStatus status;
    status.name = config.name;
    status.source = config.source.url;
    status.target = config.target.url;
    if (rpo == 0) rpo = config.rpo;
    if (rpo != 0) status.rpo_seconds = seconds_of(rpo);
    auto state = ReplicaState::open_existing(replica_file(config.name, ".sqlite"));
    if (!state.ok() && state.error().code() != ErrorCode::not_found) return std::move(state).error();
    if (state.ok()) {
        HF_TRY(status.figures, (*state)->figures());
        status.consistent_to = status.figures.consistent_to();
    }
    if (status.consistent_to)
        status.lag_seconds = seconds_of(std::max<TimeNs>(0, system_clock().now() - *status.consistent_to));
    status.condition = condition_of(status, is_paused(config.name));
    return status;
}

}  // namespace

std::string_view replica_condition_name(ReplicaCondition condition) {
    switch (condition) {
        case ReplicaCondition::unborn: return "new";
        case ReplicaCondition::following: return "following";
        case ReplicaCondition::behind: return "behind";
        case ReplicaCondition::failing: return "failing";
        case ReplicaCondition::paused: return "paused";
    }
    return "";
}

Result<CreateReplicaResponse> create_replica(const CreateReplicaRequest& request) {
    ReplicaConfig config;
    config.source = {request.source, {request.source_profile, {}, {}}, request.source_ca_file};
    config.target = {request.target, {request.target_profile, {}, {}}, request.target_ca_file};
    HF_TRY(config.rpo, duration_of(request.rpo));
    HF_TRY(config.interval, duration_of(request.interval));
    HF_TRY(const auto source, open_replica_side(config.source, request.access.stop));
    HF_TRY(const auto target, open_replica_side(config.target, request.access.stop));
    config.name = request.name.value_or(target->location().bucket);
    if (!is_config_name(config.name))
        return Error(ErrorCode::invalid_argument, "'" + config.name + "' is no name (letters, digits, _ and -): give one with --name");
    HF_TRY(const auto known, known_replicas(request.access.config_file));
    if (const auto same = known.find(config.name); same != known.end())
        return Error(ErrorCode::already_exists,
                     "there is a replica '" + config.name + "'" +
                         (same->second.is_configured ? " in the configuration, which needs no create: run it" : ""));
    BucketRules rules;
    rules.target = BucketRules::Target::made;
    if (request.enable_versioning) rules.versions = BucketRules::Versions::switched_on;
    HF_TRY_STATUS(prepare_buckets(*source, *target, rules));
    HF_TRY_STATUS(write_replica(config));
    return CreateReplicaResponse{config.name, source->location().description(), target->location().description()};
}

Result<std::vector<ReplicaStatus>> replica_status(const ReplicaStatusRequest& request) {
    HF_TRY(const TimeNs rpo, duration_of(request.rpo));
    HF_TRY(const std::vector<ReplicaDefinition> replicas, chosen_replicas(request.access.config_file, request.names));
    std::vector<ReplicaStatus> statuses;
    for (const ReplicaDefinition& replica : replicas) {
        HF_TRY(ReplicaStatus status, status_of(replica, rpo));
        statuses.push_back(std::move(status));
    }
    return statuses;
}

Status pause_replica(const AccessRequest& access, const std::string& name) {
    HF_TRY_STATUS(one_replica(access, name));
    HF_TRY_STATUS(make_durable_directories(replica_directory(), 0700));
    const std::string text = format_rfc3339(system_clock().now()) + '\n';
    return replace_file(replica_file(name, ".paused"), as_bytes(text), 0600);
}

Status resume_replica(const AccessRequest& access, const std::string& name) {
    HF_TRY_STATUS(one_replica(access, name));
    return remove_file(replica_file(name, ".paused"));
}

Status remove_replica(const AccessRequest& access, const std::string& name) {
    HF_TRY(const ReplicaDefinition replica, one_replica(access, name));
    HF_TRY(const UniqueFd lock, lock_replica(name));
    // The definition first: without it nothing uses the rest.
    for (const char* ending : {".json", ".paused", ".sqlite-journal", ".sqlite"})
        HF_TRY_STATUS(remove_file(replica_file(name, ending)));
    if (replica.is_configured)
        return Error(ErrorCode::invalid_argument, "what was known of the replica '" + name +
                                                      "' is removed; it is in the configuration: take it out there");
    return sync_directory(replica_directory());
}

Result<ReplicaCheckReport> check_replica_named(const AccessRequest& access, const std::string& name) {
    HF_TRY(const ReplicaDefinition replica, one_replica(access, name));
    HF_TRY(const auto source, open_replica_side(replica.config.source, access.stop));
    HF_TRY(const auto target, open_replica_side(replica.config.target, access.stop));
    HF_TRY(const auto state, ReplicaState::open_existing(replica_file(name, ".sqlite")));
    return check_replica(*source, *target, *state, access.stop);
}

}  // namespace holdfast
