// The operations of `replica`: a bucket that follows another one. docs/explanation/replicas.md.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "api/exit_status.h"
#include "api/repository_access.h"
#include "replication/replica_check.h"
#include "replication/replica_state.h"

namespace holdfast {

struct CreateReplicaRequest {
    AccessRequest access;  // only configuration and stop are of use
    std::string source, target;
    std::optional<std::string> name;  // unset: the name of the target's bucket
    std::optional<std::string> source_profile, target_profile, source_ca_file, target_ca_file;
    std::optional<std::string> rpo, interval;
    bool enable_versioning = false;
};
struct CreateReplicaResponse {
    std::string name, source, target;
};
// Makes what is missing of the target, and writes the replica down; `run` fills it. Errors: refused, invalid_argument
// (replication/bucket_rules.h), already_exists.
Result<CreateReplicaResponse> create_replica(const CreateReplicaRequest& request);

// What a pass of a replica has brought.
struct ReplicaEvent {
    std::string name;
    std::uint64_t listed = 0, applied = 0, failed = 0, pending = 0;
    double seconds = 0;  // that the listing took
    std::string error;   // of the pass
};
struct RunReplicasRequest {
    AccessRequest access;
    std::vector<std::string> names;  // none: all
    bool once = false;               // until nothing is missing; else until `access.stop`
    std::function<void(const ReplicaEvent&)> on_event;  // after each pass that had something to tell; may be empty
};
struct RunReplicaResult {
    std::string name;
    ExitStatus status = ExitStatus::done;
    std::string error;
    std::uint64_t applied = 0, pending = 0;
};
// One thread for each replica; one that fails does not keep the others. Errors: of the configuration and of the names.
Result<std::vector<RunReplicaResult>> run_replicas(const RunReplicasRequest& request);

enum class ReplicaCondition : std::uint8_t {
    unborn,     // nothing has been listed to its end yet
    following,
    behind,     // by more than the objective
    failing,    // the last pass failed, or some keys do
    paused,
};
std::string_view replica_condition_name(ReplicaCondition condition);

struct ReplicaStatusRequest {
    AccessRequest access;
    std::vector<std::string> names;
    std::optional<std::string> rpo;  // in place of the replicas' own
};
struct ReplicaStatus {
    std::string name, source, target;
    ReplicaCondition condition = ReplicaCondition::unborn;
    ReplicaFigures figures;
    std::optional<TimeNs> consistent_to;
    std::optional<double> lag_seconds;
    std::optional<double> rpo_seconds;
    // It is not as it should be.
    bool is_broken() const { return condition != ReplicaCondition::following && (condition != ReplicaCondition::unborn || rpo_seconds); }
};
Result<std::vector<ReplicaStatus>> replica_status(const ReplicaStatusRequest& request);

// A run that goes on begins nothing more as soon as its listing ends, and goes on when the replica is resumed.
Status pause_replica(const AccessRequest& access, const std::string& name);
Status resume_replica(const AccessRequest& access, const std::string& name);
// Forgets it; no object is touched. Errors: conflict while it runs; invalid_argument for one of the configuration, of which
// only the state is removed.
Status remove_replica(const AccessRequest& access, const std::string& name);
// Errors: not_found before its first run.
Result<ReplicaCheckReport> check_replica_named(const AccessRequest& access, const std::string& name);

}  // namespace holdfast
