// What a configuration says. docs/reference/config.md.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "config/settings.h"
#include "policy/calendar.h"
#include "policy/protection.h"
#include "policy/retention.h"
#include "policy/source_state.h"
#include "policy/synthesis.h"

namespace holdfast {

// Where a secret is; never the secret.
struct SecretReference {
    enum class Kind : std::uint8_t { file, command, environment, credential };
    Kind kind = Kind::file;
    std::string value;
};

// A text, or a secret.
struct ConfigVariable {
    std::string text;
    std::optional<SecretReference> secret;
};

struct RepositoryConfig {
    std::string name, url;
    std::optional<std::string> key_file;
    std::optional<SecretReference> passphrase;
    std::string site, medium;
    std::optional<std::string> s3_profile;
    std::optional<SecretReference> s3_access_key, s3_secret_key;
    std::map<std::string, ConfigVariable> environment;
    std::optional<std::string> ca_file, limit_upload, limit_download;
    std::optional<std::string> lock;  // what `init` takes for --lock
};

// Who asks an S3 service: a profile, or keys, or neither.
struct S3KeysConfig {
    std::optional<std::string> profile;
    std::optional<SecretReference> access_key, secret_key;
};

// One of the two buckets of a replica.
struct ReplicaSideConfig {
    std::string url;
    S3KeysConfig keys;
    std::optional<std::string> ca_file;
};
struct ReplicaConfig {
    std::string name;
    ReplicaSideConfig source, target;
    TimeNs rpo = 0;       // 0: none
    TimeNs interval = 0;  // 0: as long as a listing takes
    std::optional<std::string> limit_upload, limit_download;
};

struct HooksConfig {
    std::vector<std::string> before, after, failure;
    TimeNs timeout = 0;
};

struct SourceConfig {
    std::string name;
    std::string source;  // as `backup` takes it
    std::optional<std::string> identity_name, host;
    std::string site;
    std::string repository;
    std::optional<std::string> policy;
    std::vector<std::string> exclude, exclude_files, exclude_if_present, tags;
    bool exclude_caches = false, exclude_nodump = false, one_file_system = false;
    std::string compression;
    HooksConfig hooks;
};

struct PolicyConfig {
    std::string name;
    std::string type;  // of a backup: forever-incremental is incremental
    SynthesisRule synthesis;
    std::optional<Calendar> schedule;
    std::string schedule_text;
    RetentionRules keep;
    std::vector<std::string> copies;
    std::string check;  // empty: none
    Objectives objectives;
};

struct MailConfig {
    std::vector<std::string> to;
    std::string from, command;
};
struct WebhookConfig {
    SecretReference url;
    std::string ca_file;
    std::map<std::string, ConfigVariable> headers;
};
struct NotifyConfig {
    std::string name;
    std::optional<MailConfig> mail;
    std::optional<WebhookConfig> webhook;
    NotifyOn on;
    TimeNs timeout = 0;
};

struct Config {
    std::vector<std::string> files;  // the first one includes the others
    std::string site;                // of this machine; empty: not named
    std::string metrics_file;        // empty: none
    std::map<std::string, RepositoryConfig> repositories;
    std::map<std::string, SourceConfig> sources;
    std::map<std::string, PolicyConfig> policies;
    std::map<std::string, NotifyConfig> notifications;
    std::map<std::string, ReplicaConfig> replicas;
};

struct ConfigText {
    std::string file, text;
};
struct ConfigReading {
    Config config;  // only of use without issues
    Settings settings;
    std::vector<ConfigIssue> issues;  // by file, line and column
};
// Never fails: what is wrong is in the issues. Of `texts` only the first may include.
ConfigReading read_config(const std::vector<ConfigText>& texts);
// What a first file includes; an error of syntax gives nothing.
std::vector<std::string> included_patterns(const ConfigText& text);

}  // namespace holdfast
