// Which repository, with which key: from what was asked for, the environment, and the defaults.
#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/secret.h"
#include "format/ids.h"
#include "storage/storage.h"

namespace holdfast {

class Repository;

// Unset members come from the environment (HOLDFAST_*), then from the defaults.
struct AccessRequest {
    // A path, a URL, or the name of a repository in the configuration.
    std::optional<std::string> repository;
    std::optional<std::string> key_file;
    std::optional<std::string> passphrase_file;
    std::optional<std::string> passphrase_command;
    std::optional<std::string> passphrase_variable;  // of the environment; only a configuration names it
    std::optional<std::string> config_file;          // unset: as configuration_place() says
    // A second repository: the environment's keys are the first one's.
    bool is_other = false;
    std::optional<std::string> cache_directory;
    // Certificates that are trusted, in PEM; unset: HOLDFAST_CA_FILE, AWS_CA_BUNDLE, the system's.
    std::optional<std::string> ca_file;
    // Bytes a second, as parse_byte_count() reads them.
    std::optional<std::string> limit_upload, limit_download;
    // Ends what waits for a storage.
    std::stop_token stop;
};

// Places that belong to this user. Root: /var/lib/holdfast, /etc/holdfast, /var/cache/holdfast,
// /var/lib/holdfast/state; any other user: below the XDG base directories. HOLDFAST_STATE_DIR goes before the last.
struct DefaultPlaces {
    std::string repository;
    std::string configuration;
    std::string cache;
    std::string state;
};
DefaultPlaces default_places();
// The key file that init makes.
std::string default_key_path(const RepositoryId& repository);

struct ResolvedAccess {
    std::string repository;
    bool is_default = false;  // the embedded repository, which the first backup makes
    AccessRequest request;    // with the environment applied
    std::string cache_directory;
    StorageOptions storage;
    std::optional<std::string> lock;  // as the configuration has it, for init
};
// Errors: invalid_argument when more than one kind of key is given, or a rate is none; those of the configuration,
// which is read only for a repository whose text may be a name in it.
Result<ResolvedAccess> resolve_access(const AccessRequest& request);

struct InitResponse {
    std::string repository;
    std::string repository_id;
    std::string key_file;      // empty: opened by a passphrase
    std::string recovery_key;  // shown once
};
// What init is asked for beside a place.
struct NewRepository {
    bool has_parity = true;
    // How long restore points stay, whoever asks for their removal ("30d"); unset: as the configuration of the repository
    // says, else no locks.
    std::optional<std::string> lock;
    bool is_governance = false;  // whoever has the permission may take locks away
};
// Makes a repository and its key file. Errors: already_exists; unsupported when the storage only pretends to lock.
Result<InitResponse> init_repository(const ResolvedAccess& access,
                                     const std::optional<std::string>& like,
                                     const AccessRequest& like_access,
                                     const NewRepository& form = {});

// Errors: not_found (no repository), wrong_key, unsupported, corrupt.
Result<std::unique_ptr<Repository>> open_repository(const ResolvedAccess& access);
Result<std::unique_ptr<Repository>> open_repository(const AccessRequest& request);
// The same, for who then calls select_point_to_read().
Result<std::unique_ptr<Repository>> open_to_read_point(const ResolvedAccess& access);
Result<std::unique_ptr<Repository>> open_to_read_point(const AccessRequest& request);

// "HFRK-" and 17 groups of four digits, the last a checksum; blanks and case do not matter.
std::string format_recovery_key(const SecretKey& secret);
Result<SecretKey> parse_recovery_key(const std::string& text);
// Writes a key file that must not be there yet, durable on return; its directories are made.
Status write_key_file(const std::string& path, const std::string& text);
// The first line of a passphrase or key file, without its end.
std::string first_line(ByteSpan data);
// The contents of a key file.
std::string format_key_file(const SecretKey& secret, const std::string& repository_id);

}  // namespace holdfast
