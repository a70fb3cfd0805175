#include "api/configuration.h"

#include <fcntl.h>
#include <glob.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <set>

#include "api/secret.h"
#include "base/edit_distance.h"
#include "base/environment.h"
#include "base/file_io.h"
#include "config/reference.h"

namespace holdfast {
namespace {

constexpr std::uint64_t max_file_bytes = 1 << 20;

// Whoever can write it has this user run commands.
Status check_owner(int fd, const std::string& path) {
    struct stat info{};
    if (::fstat(fd, &info) != 0) return Error::from_errno(errno, path);
    if ((info.st_mode & 0022) != 0)
        return Error(ErrorCode::refused, path + ": others than its owner can write it: chmod go-w " + path);
    if (info.st_uid != 0 && info.st_uid != ::geteuid())
        return Error(ErrorCode::refused, path + ": it belongs to another user");
    return {};
}

Result<ConfigText> read_text(const std::string& path) {
    HF_TRY(const UniqueFd fd, open_file(path, O_RDONLY));
    HF_TRY_STATUS(check_owner(fd.get(), path));
    auto data = read_stream(fd.get(), max_file_bytes);
    if (!data.ok()) return Error(ErrorCode::invalid_argument, path + ": " + data.error().message());
    return ConfigText{path, std::string(as_text(*data))};
}

// Files that a pattern names, sorted. A pattern without wildcards names its file, whether it is there or not.
std::vector<std::string> expand(const std::string& pattern, const std::string& directory) {
    const std::string path = pattern.starts_with('/') ? pattern : directory + pattern;
    if (pattern.find_first_of("*?[") == std::string::npos) return {path};
    glob_t found{};
    std::vector<std::string> files;
    if (::glob(path.c_str(), 0, nullptr, &found) == 0)
        for (std::size_t i = 0; i < found.gl_pathc; ++i) files.emplace_back(found.gl_pathv[i]);
    ::globfree(&found);
    return files;
}

Error error_of(const std::vector<ConfigIssue>& issues) {
    std::string text;
    for (const ConfigIssue& issue : issues) text += (text.empty() ? "" : "; ") + issue.describe();
    return {ErrorCode::invalid_argument, text};
}

// A variable for the storage alone; nothing hides the process's.
using Overrides = std::map<std::string, std::optional<std::string>>;

Status add_s3_variables(const S3KeysConfig& keys, Overrides& variables) {
    const auto hide = [&variables](std::initializer_list<const char*> names) {
        for (const char* name : names) variables[name] = std::nullopt;
    };
    if (keys.profile) {
        hide({"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"});
        variables["AWS_PROFILE"] = *keys.profile;
    }
    if (keys.access_key && keys.secret_key) {
        hide({"AWS_SESSION_TOKEN", "AWS_PROFILE"});
        HF_TRY(variables["AWS_ACCESS_KEY_ID"], read_secret(*keys.access_key));
        HF_TRY(variables["AWS_SECRET_ACCESS_KEY"], read_secret(*keys.secret_key));
    }
    return {};
}

Environment environment_of(Overrides variables) {
    return [variables = std::move(variables),
            process = process_environment()](const std::string& name) -> std::optional<std::string> {
        const auto variable = variables.find(name);
        return variable == variables.end() ? process(name) : variable->second;
    };
}

Result<Overrides> storage_variables(const RepositoryConfig& repository) {
    Overrides variables;
    HF_TRY_STATUS(add_s3_variables({repository.s3_profile, repository.s3_access_key, repository.s3_secret_key}, variables));
    for (const auto& [name, variable] : repository.environment) {
        variables[name] = variable.text;
        if (variable.secret) {
            HF_TRY(variables[name], read_secret(*variable.secret));
        }
    }
    return variables;
}

Status apply_key(const RepositoryConfig& repository, AccessRequest& request) {
    if (request.key_file || request.passphrase_file || request.passphrase_command) return {};
    request.key_file = repository.key_file;
    if (!repository.passphrase) return {};
    const std::string& value = repository.passphrase->value;
    switch (repository.passphrase->kind) {
        case SecretReference::Kind::file: request.passphrase_file = value; break;
        case SecretReference::Kind::command: request.passphrase_command = value; break;
        case SecretReference::Kind::environment: request.passphrase_variable = value; break;
        case SecretReference::Kind::credential: {
            HF_TRY(request.passphrase_file, credential_path(value));
            break;
        }
    }
    return {};
}

}  // namespace

ConfigurationPlace configuration_place(const std::optional<std::string>& asked_for) {
    if (asked_for) return {*asked_for, false};
    if (const auto named = process_environment()("HOLDFAST_CONFIG")) return {*named, false};
    return {default_places().configuration + "/holdfast.toml", true};
}

Result<ConfigReading> read_configuration(const ConfigurationPlace& place) {
    auto first = read_text(place.file);
    if (!first.ok()) {
        if (place.is_default && first.error().code() == ErrorCode::not_found) return ConfigReading{};
        return std::move(first).error().with_context("reading the configuration");
    }
    std::vector<ConfigText> texts{*first};
    const std::size_t slash = place.file.rfind('/');
    const std::string directory = slash == std::string::npos ? "" : place.file.substr(0, slash + 1);
    std::set<std::string> seen{place.file};
    for (const std::string& pattern : included_patterns(*first)) {
        for (const std::string& file : expand(pattern, directory)) {
            if (!seen.insert(file).second) continue;
            auto text = read_text(file);
            if (!text.ok()) return std::move(text).error().with_context("reading what " + place.file + " includes");
            texts.push_back(std::move(text).value());
        }
    }
    return read_config(texts);
}

Result<Config> load_configuration(const std::optional<std::string>& asked_for) {
    HF_TRY(ConfigReading reading, read_configuration(configuration_place(asked_for)));
    if (!reading.issues.empty()) return error_of(reading.issues);
    return std::move(reading.config);
}

Status apply_configuration(ResolvedAccess& access) {
    AccessRequest& request = access.request;
    if (!request.repository || !is_config_name(*request.repository)) return {};
    HF_TRY(const Config config, load_configuration(request.config_file));
    const auto found = config.repositories.find(*request.repository);
    if (found == config.repositories.end()) return {};
    const RepositoryConfig& repository = found->second;
    request.repository = repository.url;
    access.lock = repository.lock;
    HF_TRY_STATUS(apply_key(repository, request));
    if (!request.ca_file) request.ca_file = repository.ca_file;
    if (!request.limit_upload) request.limit_upload = repository.limit_upload;
    if (!request.limit_download) request.limit_download = repository.limit_download;
    HF_TRY(Overrides variables, storage_variables(repository));
    if (variables.empty()) return {};
    access.storage.environment = environment_of(std::move(variables));
    return {};
}

Result<Environment> environment_with(const S3KeysConfig& keys) {
    Overrides variables;
    HF_TRY_STATUS(add_s3_variables(keys, variables));
    return environment_of(std::move(variables));
}

Result<std::vector<std::string>> chosen_sources(const Config& config, const std::vector<std::string>& names) {
    std::set<std::string> chosen;
    for (const std::string& name : names) {
        const bool is_source = config.sources.contains(name), is_policy = config.policies.contains(name);
        if (is_source) chosen.insert(name);
        for (const auto& [source, one] : config.sources)
            if (is_policy && one.policy == name) chosen.insert(source);
        if (is_source || is_policy) continue;
        std::vector<std::string> known;
        for (const auto& [source, one] : config.sources) known.push_back(source);
        for (const auto& [policy, one] : config.policies) known.push_back(policy);
        const std::string meant = closest_word(name, known);
        return Error(ErrorCode::invalid_argument,
                     "no source and no policy '" + name + "'" + (meant.empty() ? "" : ": did you mean '" + meant + "'?"));
    }
    if (names.empty())
        for (const auto& [source, one] : config.sources) chosen.insert(source);
    return std::vector<std::string>(chosen.begin(), chosen.end());
}

std::vector<EffectiveValue> effective_values(const ConfigReading& reading) {
    std::vector<EffectiveValue> values;
    for (const ShownValue& shown : shown_values(reading.settings))
        values.push_back({shown.path, shown.value,
                          shown.place.line == 0 ? "default" : shown.place.file + ':' + std::to_string(shown.place.line)});
    return values;
}

std::string configuration_schema() {
    return config_schema();
}

std::string configuration_reference() {
    return config_reference();
}

}  // namespace holdfast
