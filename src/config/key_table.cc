#include "config/key_table.h"

#include <algorithm>

#include "base/quantity.h"
#include "policy/calendar.h"
#include "policy/retention.h"

namespace holdfast {
namespace {

using T = ConfigType;

constexpr ConfigKey keys[] = {
    {"include", T::texts, "", "",
     "files that belong to this one, such as `conf.d/*.toml`, relative to it; only in the first file"},
    {"site", T::text, "", "", "where this machine is, such as `office`: without it nobody knows which copy is off site"},
    {"metrics_file", T::path, "", "",
     "a file that `run` and `status` write for Prometheus, `*.prom` in the directory of the node exporter's textfile collector"},

    {"repository.*.url", T::text, "", "", "a path or URL, as for `-r`", true},
    {"repository.*.key_file", T::path, "", "", "key file, or a file with a recovery key"},
    {"repository.*.passphrase", T::secret, "", "", "the passphrase, where there is no key file"},
    {"repository.*.site", T::text, "", "", "where it is, such as `office`: what burns down together"},
    {"repository.*.medium", T::choice, "(by the URL: disk or object)", "disk object tape", "what it is kept on"},
    {"repository.*.lock", T::duration, "", "",
     "what `init` takes for `--lock`: how long restore points are locked by the storage"},
    {"repository.*.s3.profile", T::text, "", "", "profile in `~/.aws/credentials`"},
    {"repository.*.s3.access_key", T::secret, "", "", "access key of an S3 service"},
    {"repository.*.s3.secret_key", T::secret, "", "", "secret key of an S3 service"},
    {"repository.*.environment.*", T::variable, "", "",
     "a variable for the storage alone, such as `OS_PASSWORD`; names with KEY, PASSWORD, SECRET or TOKEN take a secret only"},
    {"repository.*.ca_file", T::path, "", "", "certificates that the storage is trusted by"},
    {"repository.*.limit_upload", T::bytes, "", "", "bytes a second that are written"},
    {"repository.*.limit_download", T::bytes, "", "", "bytes a second that are read"},

    {"source.*.path", T::path, "", "", "a directory or file; a source has this or `url`"},
    {"source.*.url", T::text, "", "", "a source as `holdfast backup` takes it, such as `files:/home`"},
    {"source.*.name", T::text, "the path", "", "name of the identity"},
    {"source.*.host", T::text, "(this host)", "", "host of the identity"},
    {"source.*.site", T::text, "(that of this machine)", "", "where the source is"},
    {"source.*.repository", T::repository, "", "", "where its restore points go", true},
    {"source.*.policy", T::policy, "", "", "what is done when; none: incremental backups, nothing is removed"},
    {"source.*.exclude", T::texts, "", "", "patterns of what is left out, as in `.gitignore`"},
    {"source.*.exclude_files", T::texts, "", "", "files of such patterns"},
    {"source.*.exclude_if_present", T::texts, "", "", "directories that hold a file of this name are left out"},
    {"source.*.exclude_caches", T::boolean, "false", "", "directories with a CACHEDIR.TAG are left out"},
    {"source.*.exclude_nodump", T::boolean, "false", "", "what has the nodump attribute is left out"},
    {"source.*.one_file_system", T::boolean, "false", "", "other file systems are left out"},
    {"source.*.tags", T::texts, "", "", "tags of its restore points"},
    {"source.*.compression", T::choice, "standard", "fast standard small", "how hard to compress"},
    {"source.*.hooks.before", T::commands, "", "", "commands before the backup; when one fails there is no backup"},
    {"source.*.hooks.after", T::commands, "", "", "commands after a backup that was done"},
    {"source.*.hooks.failure", T::commands, "", "", "commands when the backup or a hook has failed"},
    {"source.*.hooks.timeout", T::duration, "10m", "", "after which a command is ended, and has failed"},

    {"policy.*.type", T::choice, "incremental", "incremental full differential forever-incremental", "what a backup reads"},
    {"policy.*.synthetic_after", T::duration, "", "",
     "`forever-incremental`: a synthetic full is made when the newest full is as old as this"},
    {"policy.*.synthetic_after_backups", T::count, "", "",
     "`forever-incremental`: a synthetic full is made when so many restore points followed the newest full"},
    {"policy.*.synthetic_at_fragmentation", T::count, "", "",
     "`forever-incremental`: a synthetic full is made when reading the newest restore point costs so many percent of what a full costs, such as 150"},
    {"policy.*.schedule", T::calendar, "", "", "when `schedule install` has it run, as in `OnCalendar` of systemd"},
    {"policy.*.keep.last", T::count, "", "", "retention: so many of the newest restore points"},
    {"policy.*.keep.hourly", T::count, "", "", "the newest of each of the last so many hours that have any"},
    {"policy.*.keep.daily", T::count, "", "", "the same for days"},
    {"policy.*.keep.weekly", T::count, "", "", "the same for weeks, which begin on Monday"},
    {"policy.*.keep.monthly", T::count, "", "", "the same for months"},
    {"policy.*.keep.yearly", T::count, "", "", "the same for years"},
    {"policy.*.keep.within", T::period, "", "", "all within this period before the newest"},
    {"policy.*.keep.tags", T::texts, "", "", "all with any of these tags"},
    {"policy.*.copies", T::repositories, "", "", "repositories that restore points are copied to"},
    {"policy.*.rpo", T::duration, "7d", "", "how old the newest restore point may become"},
    {"policy.*.objective.copies", T::number, "3", "", "how many repositories have a copy"},
    {"policy.*.objective.media", T::number, "2", "", "on how many kinds of media"},
    {"policy.*.objective.off_site", T::number, "1", "", "how many of them are at another site than the source"},
    {"policy.*.objective.immutable", T::number, "0", "", "how many of them are locked by their storage"},
    {"policy.*.objective.copies_within", T::duration, "", "",
     "how old the newest restore point in a repository may be that counts as a copy; by default `rpo`"},
    {"policy.*.objective.verified_within", T::duration, "", "", "since when all data of a copy was read by a check"},
    {"policy.*.objective.counts_source", T::boolean, "false", "", "the source's own data is one of the copies"},
    {"policy.*.check", T::amount, "", "",
     "how much stored data each run reads and proves, what was read the longest time ago first"},

    {"notify.*.mail.to", T::texts, "", "", "addresses that mail goes to"},
    {"notify.*.mail.from", T::text, "holdfast", "", "address that it comes from"},
    {"notify.*.mail.command", T::text, "/usr/sbin/sendmail -t -oi", "", "command that takes a mail on standard input"},
    {"notify.*.webhook.url", T::secret, "", "", "URL that a JSON document is posted to"},
    {"notify.*.webhook.ca_file", T::path, "", "", "certificates that it is trusted by"},
    {"notify.*.webhook.headers.*", T::variable, "", "", "a header of the request, a text or a secret"},
    {"notify.*.on", T::choices, "failure recovery", "failure incomplete recovery",
     "changes of a source's state that are told; `incomplete`: something of it could not be read"},
    {"notify.*.timeout", T::duration, "30s", "", "after which sending is given up"},

    {"replica.*.source.url", T::text, "", "", "the bucket that is replicated: `s3://BUCKET/PREFIX?endpoint=URL`", true},
    {"replica.*.source.s3.profile", T::text, "", "", "profile in `~/.aws/credentials`"},
    {"replica.*.source.s3.access_key", T::secret, "", "", "access key of the service"},
    {"replica.*.source.s3.secret_key", T::secret, "", "", "secret key of the service"},
    {"replica.*.source.ca_file", T::path, "", "", "certificates that the service is trusted by"},
    {"replica.*.target.url", T::text, "", "", "the bucket that follows it", true},
    {"replica.*.target.s3.profile", T::text, "", "", "profile in `~/.aws/credentials`"},
    {"replica.*.target.s3.access_key", T::secret, "", "", "access key of the service"},
    {"replica.*.target.s3.secret_key", T::secret, "", "", "secret key of the service"},
    {"replica.*.target.ca_file", T::path, "", "", "certificates that the service is trusted by"},
    {"replica.*.rpo", T::duration, "", "", "how far the target may be behind: what `replica status` compares with"},
    {"replica.*.interval", T::duration, "", "",
     "from the end of a listing of the source to the next one; none: what the last one took, at least a second"},
    {"replica.*.limit_upload", T::bytes, "", "", "bytes a second that are written to the target"},
    {"replica.*.limit_download", T::bytes, "", "", "bytes a second that are read from the source"}};

// The same in every list of issues: "source.home.tags: ".
ConfigIssue issue(const std::string& path, const ConfigValue& value, const std::string& text) {
    return {value.place, path + ": " + text};
}

bool has_control_characters(std::string_view text) {
    return std::any_of(text.begin(), text.end(), [](char c) {
        return static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) == 0x7f;
    });
}

bool is_choice(const ConfigKey& key, const std::string& text) {
    const auto words = words_of(key.choices);
    return std::find(words.begin(), words.end(), text) != words.end();
}

bool is_amount(const std::string& text) {
    if (text == "all") return true;
    if (text.ends_with('%')) {
        const std::string digits = text.substr(0, text.size() - 1);
        return !digits.empty() && digits.size() <= 3 &&
               digits.find_first_not_of("0123456789") == std::string::npos && std::stoi(digits) >= 1 &&
               std::stoi(digits) <= 100;
    }
    const bool has_letter = !text.empty() && (text.back() < '0' || text.back() > '9');
    return has_letter && (parse_byte_count(text).ok() || parse_duration(text).ok());
}

// Nothing: it is well.
std::string wrong_text(const ConfigKey& key, const std::string& text) {
    if (text.empty()) return "is empty";
    if (key.type != T::commands && has_control_characters(text)) return "has control characters";
    switch (key.type) {
        case T::path: return text.front() == '/' ? "" : "not an absolute path: '" + text + "'";
        case T::choice:
        case T::choices: return is_choice(key, text) ? "" : "'" + text + "' is none of " + key.choices;
        case T::amount:
            return is_amount(text) ? "" : "'" + text + "': an amount is all, 10%, 20G (K, M, G, T) or 90m (s, m, h)";
        case T::duration:
            if (const auto parsed = parse_duration(text); !parsed.ok()) return parsed.error().message();
            return "";
        case T::bytes:
            if (const auto parsed = parse_byte_count(text); !parsed.ok()) return parsed.error().message();
            return "";
        case T::period:
            if (const auto parsed = parse_period(text); !parsed.ok()) return parsed.error().message();
            return "";
        case T::calendar:
            if (const auto parsed = parse_calendar(text); !parsed.ok()) return parsed.error().message();
            return "";
        case T::boolean:
        case T::count:
        case T::number:
        case T::text:
        case T::texts:
        case T::commands:
        case T::repository:
        case T::repositories:
        case T::policy:
        case T::secret:
        case T::variable: return "";
    }
    return "";
}

bool takes_list(ConfigType type) {
    return type == T::texts || type == T::commands || type == T::choices || type == T::repositories;
}

std::vector<ConfigIssue> check_secret(const std::string& path, const ConfigValue& value) {
    const std::string wanted = "a secret is {file = \"...\"}, {command = \"...\"}, {environment = \"...\"} or {credential = \"...\"}";
    if (value.type != ConfigValue::Type::table) return {issue(path, value, "in clear: " + wanted)};
    if (value.members.size() != 1) return {issue(path, value, wanted)};
    const ConfigMember& member = value.members.front();
    if (std::find(std::begin(secret_kinds), std::end(secret_kinds), member.name) == std::end(secret_kinds))
        return {{member.place, path + ": " + wanted + ", not '" + member.name + "'"}};
    const std::string& text = member.value.text;
    if (member.value.type != ConfigValue::Type::text || text.empty() || has_control_characters(text))
        return {issue(path + '.' + member.name, member.value, "is a text that is not empty")};
    if (member.name == "file" && text.front() != '/')
        return {issue(path + ".file", member.value, "not an absolute path: '" + text + "'")};
    if ((member.name == "environment" || member.name == "credential") && !is_config_name(text))
        return {issue(path + '.' + member.name, member.value, "'" + text + "' is no name")};
    return {};
}

std::vector<ConfigIssue> check_list(const ConfigKey& key, const std::string& path, const ConfigValue& value) {
    std::vector<ConfigIssue> issues;
    for (const ConfigValue& item : value.items) {
        std::string wrong;
        if (item.type != ConfigValue::Type::text) wrong = std::string("a text is wanted, not ") + item.type_name();
        else wrong = wrong_text(key, item.text);
        if (!wrong.empty()) issues.push_back(issue(path, item, wrong));
    }
    return issues;
}

}  // namespace

std::span<const ConfigKey> config_keys() {
    return keys;
}

bool is_config_name(std::string_view name) {
    return !name.empty() && name.size() <= 100 &&
           std::all_of(name.begin(), name.end(), [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
                      c == '-';
           });
}

bool is_secret_variable(std::string_view name) {
    std::string upper(name);
    for (char& c : upper)
        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    for (const char* part : {"KEY", "PASSWORD", "SECRET", "TOKEN", "AUTHORIZATION"})
        if (upper.find(part) != std::string::npos) return true;
    return false;
}

std::vector<std::string> words_of(std::string_view text) {
    std::vector<std::string> words;
    while (!text.empty()) {
        const std::size_t blank = text.find(' ');
        if (blank != 0) words.emplace_back(text.substr(0, blank));
        text = blank == std::string_view::npos ? std::string_view{} : text.substr(blank + 1);
    }
    return words;
}

std::vector<ConfigIssue> check_value(const ConfigKey& key, const std::string& path, const ConfigValue& value) {
    using Type = ConfigValue::Type;
    if (key.type == T::secret) return check_secret(path, value);
    if (key.type == T::variable) {
        const std::string name = path.substr(path.rfind('.') + 1);
        if (value.type == Type::table || is_secret_variable(name)) return check_secret(path, value);
    }
    const auto wrong_type = [&]() -> std::vector<ConfigIssue> {
        const std::string found = value.type == Type::integer ? std::to_string(value.integer) : value.type_name();
        return {issue(path, value, describe_type(key) + " is wanted, not " + found)};
    };
    if (key.type == T::boolean) {
        if (value.type != Type::boolean) return wrong_type();
        return {};
    }
    if (key.type == T::count) {
        if (value.type != Type::integer || value.integer < 1 || value.integer > 1'000'000) return wrong_type();
        return {};
    }
    if (key.type == T::number) {
        if (value.type != Type::integer || value.integer < 0 || value.integer > 1'000) return wrong_type();
        return {};
    }
    if (value.type == Type::list && takes_list(key.type)) return check_list(key, path, value);
    if (value.type != Type::text) return wrong_type();
    const std::string wrong = wrong_text(key, value.text);
    if (!wrong.empty()) return {issue(path, value, wrong)};
    return {};
}

std::string describe_type(const ConfigKey& key) {
    switch (key.type) {
        case T::text: return "a text";
        case T::path: return "an absolute path";
        case T::boolean: return "true or false";
        case T::count: return "a number from 1 to 1,000,000";
        case T::number: return "a number from 0 to 1,000";
        case T::choice: return std::string("one of ") + key.choices;
        case T::choices: return std::string("a list of ") + key.choices;
        case T::texts: return "a text or a list of texts";
        case T::commands: return "a command or a list of commands";
        case T::duration: return "a time such as 90m or 30d";
        case T::period: return "a period such as 30d or 1y6m";
        case T::bytes: return "a number of bytes such as 2M";
        case T::amount: return "an amount: all, 10%, 20G or 90m";
        case T::calendar: return "times such as daily or Mon..Fri 02:30";
        case T::repository: return "the name of a repository";
        case T::repositories: return "a list of names of repositories";
        case T::policy: return "the name of a policy";
        case T::secret: return "a secret";
        case T::variable: return "a text or a secret";
    }
    return "";
}

}  // namespace holdfast
