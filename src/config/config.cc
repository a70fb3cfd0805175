#include "config/config.h"

#include <algorithm>

#include "base/edit_distance.h"
#include "base/quantity.h"
#include "config/toml_reader.h"

namespace holdfast {
namespace {

std::optional<SecretReference> secret_of(const Setting* setting) {
    if (setting == nullptr || setting->value.members.size() != 1) return std::nullopt;
    const ConfigMember& member = setting->value.members.front();
    for (std::size_t i = 0; i < std::size(secret_kinds); ++i)
        if (member.name == secret_kinds[i])
            return SecretReference{static_cast<SecretReference::Kind>(i), member.value.text};
    return std::nullopt;
}

TimeNs duration_of(const std::optional<std::string>& text) {
    if (!text) return 0;
    const auto parsed = parse_duration(*text);
    return parsed.ok() ? *parsed : 0;
}

// Builds the structs, and finds what no key alone can tell.
class Builder {
  public:
    explicit Builder(ConfigReading& reading) : settings_(reading.settings), reading_(reading) {}

    void build() {
        reading_.config.site = settings_.text("site").value_or("");
        reading_.config.metrics_file = settings_.text("metrics_file").value_or("");
        for (const auto& [name, place] : settings_.names("repository")) add_repository(name);
        for (const auto& [name, place] : settings_.names("policy")) add_policy(name);
        for (const auto& [name, place] : settings_.names("source")) add_source(name, place);
        for (const auto& [name, place] : settings_.names("notify")) add_notify(name, place);
        for (const auto& [name, place] : settings_.names("replica")) add_replica(name);
        check_required();
    }

  private:
    void report(const ConfigPlace& place, std::string text) { reading_.issues.push_back({place, std::move(text)}); }

    // The value, or what the table of keys says.
    std::string text_or_default(const std::string& path, const char* fallback) {
        return settings_.text(path).value_or(fallback);
    }

    std::map<std::string, ConfigVariable> variables_of(const std::string& path) {
        std::map<std::string, ConfigVariable> result;
        for (const auto& [name, setting] : settings_.below(path))
            result.emplace(name, ConfigVariable{setting->value.text, secret_of(setting)});
        return result;
    }

    // That `kind` has a name that is used at `place`.
    void check_name(const std::string& kind, const std::string& name, const ConfigPlace& place, const std::string& path) {
        const auto& known = settings_.names(kind);
        if (known.contains(name)) return;
        std::string text = path + ": no " + kind + " '" + name + "'";
        std::vector<std::string> words;
        for (const auto& [word, unused] : known) words.push_back(word);
        const std::string meant = closest_word(name, words);
        if (!meant.empty()) text += "; did you mean '" + meant + "'?";
        report(place, text);
    }

    void check_names(const std::string& kind, const std::string& path) {
        const Setting* const setting = settings_.find(path);
        if (setting == nullptr) return;
        if (setting->value.type == ConfigValue::Type::text)
            check_name(kind, setting->value.text, setting->value.place, path);
        for (const ConfigValue& item : setting->value.items)
            if (item.type == ConfigValue::Type::text) check_name(kind, item.text, item.place, path);
    }

    void add_repository(const std::string& name);
    void add_source(const std::string& name, const ConfigPlace& place);
    void add_policy(const std::string& name);
    void add_objectives(const std::string& path, Objectives& wanted);
    void add_notify(const std::string& name, const ConfigPlace& place);
    void add_replica(const std::string& name);
    S3KeysConfig keys_of(const std::string& path);
    ReplicaSideConfig side_of(const std::string& path);
    void check_required();

    const Settings& settings_;
    ConfigReading& reading_;
};

// What stands below `path`s3.
S3KeysConfig Builder::keys_of(const std::string& path) {
    S3KeysConfig keys;
    keys.profile = settings_.text(path + "s3.profile");
    keys.access_key = secret_of(settings_.find(path + "s3.access_key"));
    keys.secret_key = secret_of(settings_.find(path + "s3.secret_key"));
    for (const auto& [key, other] : {std::pair{"s3.access_key", "s3.secret_key"}, std::pair{"s3.secret_key", "s3.access_key"}})
        if (settings_.find(path + key) != nullptr && settings_.find(path + other) == nullptr)
            report(settings_.find(path + key)->value.place, path + key + ": " + other + " is missing");
    if (keys.profile && (keys.access_key || keys.secret_key))
        report(settings_.find(path + "s3.profile")->value.place, path + "s3.profile: there are keys, too");
    return keys;
}

ReplicaSideConfig Builder::side_of(const std::string& path) {
    return {text_or_default(path + "url", ""), keys_of(path), settings_.text(path + "ca_file")};
}

void Builder::add_replica(const std::string& name) {
    const std::string path = "replica." + name + '.';
    ReplicaConfig& one = reading_.config.replicas[name];
    one.name = name;
    one.source = side_of(path + "source.");
    one.target = side_of(path + "target.");
    one.rpo = duration_of(settings_.text(path + "rpo"));
    one.interval = duration_of(settings_.text(path + "interval"));
    one.limit_upload = settings_.text(path + "limit_upload");
    one.limit_download = settings_.text(path + "limit_download");
}

void Builder::add_repository(const std::string& name) {
    const std::string path = "repository." + name + '.';
    RepositoryConfig& one = reading_.config.repositories[name];
    one.name = name;
    one.url = text_or_default(path + "url", "");
    one.key_file = settings_.text(path + "key_file");
    one.passphrase = secret_of(settings_.find(path + "passphrase"));
    if (one.key_file && one.passphrase)
        report(settings_.find(path + "passphrase")->value.place, path + "passphrase: there is a key_file, too");
    one.site = text_or_default(path + "site", "");
    const bool is_object = one.url.starts_with("s3:") || one.url.starts_with("swift:") || one.url.starts_with("rados:");
    one.medium = text_or_default(path + "medium", is_object ? "object" : "disk");
    const S3KeysConfig keys = keys_of(path);
    one.s3_profile = keys.profile;
    one.s3_access_key = keys.access_key;
    one.s3_secret_key = keys.secret_key;
    one.environment = variables_of(path + "environment");
    one.ca_file = settings_.text(path + "ca_file");
    one.lock = settings_.text(path + "lock");
    one.limit_upload = settings_.text(path + "limit_upload");
    one.limit_download = settings_.text(path + "limit_download");
}

void Builder::add_source(const std::string& name, const ConfigPlace& place) {
    const std::string path = "source." + name + '.';
    SourceConfig& one = reading_.config.sources[name];
    one.name = name;
    const auto file_path = settings_.text(path + "path"), url = settings_.text(path + "url");
    if (settings_.find(path + "path") == nullptr && settings_.find(path + "url") == nullptr)
        report(place, "source." + name + ": path or url is missing");
    if (file_path && url) report(settings_.find(path + "url")->value.place, path + "url: there is a path, too");
    one.source = file_path ? "files:" + *file_path : url.value_or("");
    one.identity_name = settings_.text(path + "name");
    one.host = settings_.text(path + "host");
    one.site = settings_.text(path + "site").value_or(reading_.config.site);
    one.repository = text_or_default(path + "repository", "");
    one.policy = settings_.text(path + "policy");
    check_names("repository", path + "repository");
    check_names("policy", path + "policy");
    one.exclude = settings_.texts(path + "exclude");
    one.exclude_files = settings_.texts(path + "exclude_files");
    one.exclude_if_present = settings_.texts(path + "exclude_if_present");
    one.exclude_caches = settings_.boolean(path + "exclude_caches");
    one.exclude_nodump = settings_.boolean(path + "exclude_nodump");
    one.one_file_system = settings_.boolean(path + "one_file_system");
    one.tags = settings_.texts(path + "tags");
    one.compression = text_or_default(path + "compression", "standard");
    one.hooks.before = settings_.texts(path + "hooks.before");
    one.hooks.after = settings_.texts(path + "hooks.after");
    one.hooks.failure = settings_.texts(path + "hooks.failure");
    one.hooks.timeout = duration_of(text_or_default(path + "hooks.timeout", "10m"));
    // `run NAME` takes both.
    if (const auto& policies = settings_.names("policy"); policies.contains(name))
        report(place, "source." + name + ": a policy has this name, too (" + policies.at(name).text() + ")");
}

void Builder::add_policy(const std::string& name) {
    const std::string path = "policy." + name + '.';
    PolicyConfig& one = reading_.config.policies[name];
    one.name = name;
    const std::string type = text_or_default(path + "type", "incremental");
    const bool is_forever = type == "forever-incremental";
    one.type = is_forever ? "incremental" : type;
    one.synthesis.is_wanted = is_forever;
    one.synthesis.after = duration_of(settings_.text(path + "synthetic_after"));
    one.synthesis.after_backups = settings_.count(path + "synthetic_after_backups");
    one.synthesis.at_fragmentation = settings_.count(path + "synthetic_at_fragmentation");
    for (const char* key : {"synthetic_after", "synthetic_after_backups", "synthetic_at_fragmentation"})
        if (const Setting* setting = settings_.find(path + key); setting != nullptr && !is_forever)
            report(setting->value.place, path + key + ": is for type = \"forever-incremental\"");
    one.schedule_text = text_or_default(path + "schedule", "");
    if (auto calendar = parse_calendar(one.schedule_text); calendar.ok()) one.schedule = std::move(calendar).value();
    one.keep.last = settings_.count(path + "keep.last");
    one.keep.hourly = settings_.count(path + "keep.hourly");
    one.keep.daily = settings_.count(path + "keep.daily");
    one.keep.weekly = settings_.count(path + "keep.weekly");
    one.keep.monthly = settings_.count(path + "keep.monthly");
    one.keep.yearly = settings_.count(path + "keep.yearly");
    if (const auto within = settings_.text(path + "keep.within"))
        if (const auto period = parse_period(*within); period.ok()) one.keep.within = *period;
    one.keep.tags = settings_.texts(path + "keep.tags");
    one.copies = settings_.texts(path + "copies");
    check_names("repository", path + "copies");
    one.check = text_or_default(path + "check", "");
    one.objectives.rpo = duration_of(text_or_default(path + "rpo", "7d"));
    add_objectives(path + "objective.", one.objectives);
}

void Builder::add_objectives(const std::string& path, Objectives& wanted) {
    for (const auto& [key, number] : {std::pair{"copies", &wanted.copies}, std::pair{"media", &wanted.media},
                                      std::pair{"off_site", &wanted.off_site}, std::pair{"immutable", &wanted.immutable}})
        if (settings_.find(path + key) != nullptr) *number = settings_.count(path + key);
    wanted.copies_within = duration_of(settings_.text(path + "copies_within"));
    wanted.verified_within = duration_of(settings_.text(path + "verified_within"));
    wanted.counts_source = settings_.boolean(path + "counts_source");
}

void Builder::add_notify(const std::string& name, const ConfigPlace& place) {
    const std::string path = "notify." + name + '.';
    NotifyConfig& one = reading_.config.notifications[name];
    one.name = name;
    const bool has_mail = !settings_.below(path + "mail").empty(), has_webhook = !settings_.below(path + "webhook").empty();
    if (!has_mail && !has_webhook) report(place, "notify." + name + ": mail or webhook is missing");
    if (has_mail) {
        one.mail = MailConfig{settings_.texts(path + "mail.to"), text_or_default(path + "mail.from", "holdfast"),
                              text_or_default(path + "mail.command", "/usr/sbin/sendmail -t -oi")};
        if (one.mail->to.empty()) report(place, path + "mail.to is missing");
    }
    if (has_webhook) {
        const auto url = secret_of(settings_.find(path + "webhook.url"));
        if (settings_.find(path + "webhook.url") == nullptr) report(place, path + "webhook.url is missing");
        one.webhook = WebhookConfig{url.value_or(SecretReference{}), text_or_default(path + "webhook.ca_file", ""),
                                    variables_of(path + "webhook.headers")};
    }
    if (settings_.find(path + "on") != nullptr) {
        const auto on = settings_.texts(path + "on");
        const auto has = [&on](const char* event) { return std::find(on.begin(), on.end(), event) != on.end(); };
        one.on = {has("failure"), has("incomplete"), has("recovery")};
    }
    one.timeout = duration_of(text_or_default(path + "timeout", "30s"));
}

void Builder::check_required() {
    for (const ConfigKey& key : config_keys()) {
        if (!key.is_required) continue;
        // KIND.*.KEY
        const std::string path = key.path;
        const std::size_t star = path.find(".*.");
        const std::string kind = path.substr(0, star), rest = path.substr(star + 3);
        for (const auto& [name, place] : settings_.names(kind)) {
            const std::string wanted = kind + '.' + name + '.' + rest;
            if (settings_.find(wanted) == nullptr) report(place, wanted + " is missing");
        }
    }
}

}  // namespace

ConfigReading read_config(const std::vector<ConfigText>& texts) {
    ConfigReading reading;
    for (const ConfigText& one : texts) {
        const ConfigValue root = read_toml(one.text, one.file, reading.issues);
        if (!reading.config.files.empty())
            for (const ConfigMember& member : root.members)
                if (member.name == "include")
                    reading.issues.push_back({member.place, "include: only the first file includes others"});
        reading.settings.add(root, reading.issues);
        reading.config.files.push_back(one.file);
    }
    Builder(reading).build();
    std::map<std::string, std::size_t> order;
    for (std::size_t i = 0; i < reading.config.files.size(); ++i) order.emplace(reading.config.files[i], i);
    std::stable_sort(reading.issues.begin(), reading.issues.end(), [&](const ConfigIssue& a, const ConfigIssue& b) {
        return std::tuple(order[a.place.file], a.place.line, a.place.column) <
               std::tuple(order[b.place.file], b.place.line, b.place.column);
    });
    return reading;
}

std::vector<std::string> included_patterns(const ConfigText& text) {
    std::vector<ConfigIssue> ignored;
    Settings settings;
    settings.add(read_toml(text.text, text.file, ignored), ignored);
    return settings.texts("include");
}

}  // namespace holdfast
