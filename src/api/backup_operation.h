// Operation `backup`.
#pragma once

#include <functional>

#include <stop_token>

#include "api/exclude_request.h"
#include "api/repository_access.h"
#include "base/clock.h"
#include "base/progress.h"

namespace holdfast {

struct BackupRequest {
    // Called as soon as the embedded repository was made: its recovery key is told only once.
    std::function<void(const InitResponse&)> on_created;
    bool shows_progress = false;  // somebody looks at it: how much there is may be counted
    AccessRequest access;
    std::vector<std::string> sources;  // paths or URLs; empty with a stream
    std::string type = "incremental";
    std::optional<std::string> host;
    std::optional<std::string> name;
    std::vector<std::string> tags;
    std::optional<TimeNs> time;
    std::string compression = "standard";
    ExcludeRequest exclude;
    bool dry_run = false;
    std::optional<std::string> files_from0;  // a file, or - for standard input
    // A stream as the source: its file name in the restore point; the command that prints it, or
    // else standard input.
    std::optional<std::string> stdin_name;
    std::vector<std::string> stdin_command;
};

struct BackupSourceResponse {
    std::string source;
    std::string host;
    std::string name;
    std::string restore_point;  // empty for a dry run
    std::string type;
    bool is_partial = false;
    std::uint64_t files = 0;
    std::uint64_t directories = 0;
    std::uint64_t bytes_scanned = 0;
    std::uint64_t bytes_read = 0;
    std::uint64_t bytes_again = 0;  // of files that did not change, stored again for the sake of restores
    std::uint64_t bytes_added = 0;
    std::uint64_t skipped = 0;
    double seconds = 0;
    std::vector<std::string> problems;
};

struct BackupResponse {
    std::vector<BackupSourceResponse> sources;
    std::optional<InitResponse> created;  // the embedded repository was made
    std::string repository;
};

// Sources one after the other; an error of one ends the rest. What was made before is in
// `response` also when there is an error.
Status backup(const BackupRequest& request,
              BackupResponse& response,
              Progress& progress,
              std::stop_token stop);

}  // namespace holdfast
