// Which replicas there are: those of the configuration, and those that `replica create` has written down.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "api/repository_access.h"
#include "base/unique_fd.h"
#include "config/config.h"
#include "s3/s3_client.h"

namespace holdfast {

// A replica of the configuration needs no `create`; its first run does what that does. No other one may have its name.
struct ReplicaDefinition {
    ReplicaConfig config;
    bool is_configured = false;  // else written down by `replica create`
};

// By their names. Errors: those of the configuration; conflict for a name that both have; corrupt.
Result<std::map<std::string, ReplicaDefinition>> known_replicas(const std::optional<std::string>& config_file);
// Those of these names; none: all. Errors: invalid_argument for a name that there is not, or when there are none at all.
Result<std::vector<ReplicaDefinition>> chosen_replicas(const std::optional<std::string>& config_file,
                                                       const std::vector<std::string>& names);

// Written down, durably; it holds no secret, only names of profiles.
Status write_replica(const ReplicaConfig& replica);
// Where what belongs to a replica is: its definition, its state, and whether it is paused.
std::string replica_directory();
std::string replica_file(const std::string& name, const char* ending);

// Held while something works on a replica; it goes with the process. Errors: conflict when another run has it.
Result<UniqueFd> lock_replica(const std::string& name);

// A client for one side. Errors: of the URL, of the secrets.
Result<std::unique_ptr<S3Client>> open_replica_side(const ReplicaSideConfig& side,
                                                    std::stop_token stop,
                                                    const BandwidthLimits& limits = {});
// Those of the request, else those of the replica. Errors: invalid_argument.
Result<BandwidthLimits> replica_limits(const AccessRequest& access, const ReplicaConfig& replica);
// "s3:https://.../a -> s3:https://.../b": which buckets a state is about.
std::string describe_sides(const S3Client& source, const S3Client& target);

}  // namespace holdfast
