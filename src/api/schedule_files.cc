#include "api/schedule_files.h"

#include <algorithm>
#include <set>

#include "storage/storage.h"

namespace holdfast {
namespace {

// A word of a unit file: in quotes, without specifiers or variables.
std::string unit_word(const std::string& text) {
    std::string word = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') word += '\\';
        if (c == '%' || c == '$') word += c;
        word += c;
    }
    return word + '"';
}

// The same where systemd expands no variables.
std::string unit_path(const std::string& text) {
    std::string word = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') word += '\\';
        if (c == '%') word += c;
        word += c;
    }
    return word + '"';
}

std::string shell_word(const std::string& text) {
    std::string word = "'";
    for (const char c : text) {
        if (c == '\'') word += "'\\''";
        else if (c == '%') word += "\\%";  // cron's own end of line
        else word += c;
    }
    return word + '\'';
}

std::vector<const SourceConfig*> sources_of(const Config& config, const std::string& policy) {
    std::vector<const SourceConfig*> sources;
    for (const auto& [name, source] : config.sources)
        if (source.policy == policy) sources.push_back(&source);
    return sources;
}

// Those that a run of the policy opens: all, where it measures what is protected.
std::set<std::string> repositories_of(const Config& config, const std::string& policy) {
    if (!config.metrics_file.empty()) {
        std::set<std::string> all;
        for (const auto& [name, repository] : config.repositories) all.insert(name);
        return all;
    }
    const auto& copies = config.policies.at(policy).copies;
    std::set<std::string> names(copies.begin(), copies.end());
    for (const SourceConfig* source : sources_of(config, policy)) names.insert(source->repository);
    return names;
}

void add_credential(std::set<std::string>& names, const std::optional<SecretReference>& secret) {
    if (secret && secret->kind == SecretReference::Kind::credential) names.insert(secret->value);
}

std::set<std::string> credentials_of(const Config& config, const std::string& policy) {
    std::set<std::string> names;
    for (const std::string& name : repositories_of(config, policy)) {
        const RepositoryConfig& repository = config.repositories.at(name);
        add_credential(names, repository.passphrase);
        add_credential(names, repository.s3_access_key);
        add_credential(names, repository.s3_secret_key);
        for (const auto& [variable, value] : repository.environment) add_credential(names, value.secret);
    }
    for (const auto& [name, notification] : config.notifications) {
        if (!notification.webhook) continue;
        add_credential(names, notification.webhook->url);
        for (const auto& [header, value] : notification.webhook->headers) add_credential(names, value.secret);
    }
    return names;
}

bool lies_below(const std::string& path, const std::string& directory) {
    return path == directory || path.starts_with(directory + '/');
}

// Directories of systemd's own are made by it; what else is not there stays read-only.
std::string writable(const std::string& directory) {
    for (const auto& [root, setting] : {std::pair{"/var/lib/", "StateDirectory="}, std::pair{"/var/cache/", "CacheDirectory="}})
        if (directory.starts_with(root))
            return setting + unit_path(directory.substr(std::string_view(root).size())) + '\n';
    return "ReadWritePaths=-" + unit_path(directory) + '\n';
}

bool is_temporary(const std::string& path) {
    return path == "/" || path == "/var" || lies_below(path, "/tmp") || lies_below(path, "/var/tmp");
}

// What a service of the whole system is kept from. The base is that of borgmatic's unit.
std::string hardening(const Config& config, const std::string& policy, const UnitContext& context) {
    const auto sources = sources_of(config, policy);
    const auto any_source = [&sources](auto&& is) { return std::any_of(sources.begin(), sources.end(), is); };
    const bool has_hooks = any_source([](const SourceConfig* one) {
        return !one->hooks.before.empty() || !one->hooks.after.empty() || !one->hooks.failure.empty();
    });
    const bool sends_mail = std::any_of(config.notifications.begin(), config.notifications.end(),
                                        [](const auto& one) { return one.second.mail.has_value(); });
    const bool only_files = !any_source([](const SourceConfig* one) { return !one->source.starts_with("files:"); });
    bool has_temporary = any_source([](const SourceConfig* one) {
        return is_temporary(one->source.substr(one->source.find(':') + 1));
    });
    std::string text = "NoNewPrivileges=yes\nProtectSystem=strict\n";
    text += writable(context.state_directory) + writable(context.cache_directory) +
            "StateDirectoryMode=0700\nCacheDirectoryMode=0700\n";
    // Never a directory of systemd's own: its owner and mode are those of who reads the metrics.
    if (!config.metrics_file.empty())
        text += "ReadWritePaths=-" + unit_path(config.metrics_file.substr(0, config.metrics_file.rfind('/'))) + '\n';
    for (const std::string& name : repositories_of(config, policy)) {
        const auto directory = local_directory(config.repositories.at(name).url);
        if (!directory) continue;
        text += "ReadWritePaths=-" + unit_path(*directory) + '\n';
        has_temporary = has_temporary || is_temporary(*directory);
    }
    text += "ProtectHome=read-only\nProtectClock=yes\nProtectControlGroups=yes\nProtectHostname=yes\n"
            "PrivateMounts=yes\nProtectProc=invisible\nProtectKernelLogs=yes\nProtectKernelModules=yes\nProtectKernelTunables=yes\n"
            "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6\nRestrictNamespaces=yes\nRestrictRealtime=yes\n"
            "RestrictSUIDSGID=yes\nLockPersonality=yes\nMemoryDenyWriteExecute=yes\n"
            "SystemCallArchitectures=native\nSystemCallFilter=@system-service\nSystemCallErrorNumber=EPERM\nUMask=0077\n";
    if (!has_temporary) text += "PrivateTmp=yes\n";
    if (only_files) text += "PrivateDevices=yes\nDevicePolicy=closed\n";
    if (has_hooks || sends_mail) text += "# All capabilities stay: hooks and the mailer may need any.\n";
    else text += "CapabilityBoundingSet=CAP_DAC_READ_SEARCH\n";
    return text;
}

}  // namespace

std::string schedule_marker() {
    return "# Written by `holdfast schedule install`; `holdfast schedule remove` removes it.";
}

std::vector<std::string> scheduled_policies(const Config& config) {
    std::vector<std::string> names;
    for (const auto& [name, policy] : config.policies)
        if (policy.schedule && !sources_of(config, name).empty()) names.push_back(name);
    return names;
}

std::string unit_name(const std::string& policy) {
    return "holdfast-run@" + policy;
}

std::string service_unit(const Config& config, const std::string& policy, const UnitContext& context) {
    std::string text = schedule_marker() + "\n[Unit]\nDescription=Holdfast runs " + policy +
                       "\nWants=network-online.target\nAfter=network-online.target\n\n[Service]\nType=oneshot\nExecStart=" +
                       unit_word(context.program) + " --config " + unit_word(context.config_file) + " run " + policy +
                       "\n# Something of a source could not be read; a restore point was made.\nSuccessExitStatus=3\n"
                       "Nice=10\nIOSchedulingClass=best-effort\nIOSchedulingPriority=7\n";
    for (const auto& [name, value] : context.variables) text += "Environment=" + unit_path(name + '=' + value) + '\n';
    for (const std::string& name : credentials_of(config, policy)) text += "LoadCredentialEncrypted=" + name + '\n';
    if (context.owner == UnitOwner::system) return text + hardening(config, policy, context);
    return text + "NoNewPrivileges=yes\nRestrictRealtime=yes\nLockPersonality=yes\nUMask=0077\n";
}

std::string timer_unit(const Config& config, const std::string& policy) {
    return schedule_marker() + "\n[Unit]\nDescription=When Holdfast runs " + policy + "\n\n[Timer]\nOnCalendar=" +
           config.policies.at(policy).schedule_text +
           "\n# A time at which the machine was off is made up for.\nPersistent=true\n"
           "# Many machines with one repository do not begin at once.\nRandomizedDelaySec=5m\n\n"
           "[Install]\nWantedBy=timers.target\n";
}

Result<std::string> crontab_fragment(const Config& config, const UnitContext& context) {
    std::string text = schedule_marker() + '\n';
    if (context.owner == UnitOwner::system)
        text += "SHELL=/bin/sh\nPATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n";
    for (const auto& [name, value] : context.variables) text += name + '=' + value + '\n';
    for (const std::string& name : scheduled_policies(config)) {
        if (const auto credentials = credentials_of(config, name); !credentials.empty())
            return Error(ErrorCode::unsupported, "cron passes no credentials of systemd, and " + name + " needs '" +
                                                     *credentials.begin() + "': keep it in a file, or use systemd");
        auto fields = crontab_fields(*config.policies.at(name).schedule);
        if (!fields.ok()) return std::move(fields).error().with_context("writing the schedule of " + name);
        text += *fields + (context.owner == UnitOwner::system ? " root " : " ") + shell_word(context.program) +
                " --quiet --config " + shell_word(context.config_file) + " run " + name + '\n';
    }
    return text;
}

}  // namespace holdfast
