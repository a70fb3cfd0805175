#include "config/config.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <nlohmann/json.hpp>

#include "config/reference.h"

namespace holdfast {
namespace {

ConfigReading read(const std::string& text) {
    return read_config({{"/f", text}});
}

std::vector<std::string> issues(const std::string& text) {
    std::vector<std::string> result;
    for (const ConfigIssue& issue : read(text).issues) result.push_back(issue.describe());
    return result;
}

constexpr const char* whole = R"(
[repository.main]
url = "s3:https://example.org/b"
passphrase = {command = "pass show backup"}
s3.access_key = {credential = "access"}
s3.secret_key = {environment = "SECRET"}
environment.AWS_REGION = "eu"
environment.OS_PASSWORD = {file = "/p"}
[source.home]
path = "/home"
repository = "main"
policy = "nightly"
exclude = "*.o"
tags = ["a", "b"]
one_file_system = true
hooks.before = ["one", "two"]
hooks.timeout = "5m"
[policy.nightly]
type = "forever-incremental"
synthetic_after = "30d"
schedule = "Mon..Fri 02:30"
keep = {daily = 7, within = "1m", tags = "keep"}
copies = "main"
check = "5%"
[notify.me]
mail = {to = "me@example.org"}
webhook = {url = {file = "/u"}, headers = {X-Team = "ops"}}
on = "failure"
)";

TEST(Config, Whole) {
    const ConfigReading reading = read(whole);
    ASSERT_EQ(issues(whole), std::vector<std::string>{});
    const RepositoryConfig& repository = reading.config.repositories.at("main");
    EXPECT_EQ(repository.medium, "object");
    EXPECT_EQ(repository.passphrase->kind, SecretReference::Kind::command);
    EXPECT_EQ(repository.passphrase->value, "pass show backup");
    EXPECT_EQ(repository.s3_access_key->kind, SecretReference::Kind::credential);
    EXPECT_EQ(repository.environment.at("AWS_REGION").text, "eu");
    EXPECT_EQ(repository.environment.at("OS_PASSWORD").secret->value, "/p");
    const SourceConfig& source = reading.config.sources.at("home");
    EXPECT_EQ(source.source, "files:/home");
    EXPECT_EQ(source.exclude, std::vector<std::string>{"*.o"});
    EXPECT_TRUE(source.one_file_system);
    EXPECT_EQ(source.compression, "standard");
    EXPECT_EQ(source.hooks.timeout, 300 * ns_per_second);
    EXPECT_EQ(source.hooks.before.size(), 2u);
    const PolicyConfig& policy = reading.config.policies.at("nightly");
    EXPECT_EQ(policy.type, "incremental");
    EXPECT_TRUE(policy.synthesis.is_wanted);
    EXPECT_EQ(policy.synthesis.after, 30 * 86'400 * ns_per_second);
    EXPECT_EQ(policy.keep.daily, 7u);
    EXPECT_EQ(policy.keep.within->months, 1u);
    EXPECT_EQ(policy.keep.tags, std::vector<std::string>{"keep"});
    EXPECT_EQ(policy.schedule, *parse_calendar("Mon..Fri 02:30"));
    const NotifyConfig& notification = reading.config.notifications.at("me");
    EXPECT_TRUE(notification.on.failure);
    EXPECT_FALSE(notification.on.recovery);
    EXPECT_EQ(notification.timeout, 30 * ns_per_second);
    EXPECT_EQ(notification.mail->command, "/usr/sbin/sendmail -t -oi");
    EXPECT_EQ(notification.webhook->headers.at("X-Team").text, "ops");
}

TEST(Config, Nothing) {
    EXPECT_TRUE(read("").config.sources.empty());
    EXPECT_EQ(issues("# a remark\n"), std::vector<std::string>{});
}

TEST(Config, WhatIsWrongWithOneKey) {
    const struct {
        const char* text;
        const char* issue;
    } cases[] = {
        {"x = 1", "/f:1:1: no such key: 'x'"},
        {"[repositry.main]\nurl = '/r'", "/f:1:2: no such key: 'repositry'; did you mean 'repository'?"},
        {"repository = 5", "/f:1:14: repository: a table is wanted, not a number"},
        {"repository.main = '/r'", "/f:1:19: repository.main: a table is wanted, not a text"},
        {"repository.'a b'.url = '/r'", "/f:1:12: 'a b' is no name: letters, digits, _ and - are"},
        {"include = 5", "/f:1:11: include: a text or a list of texts is wanted, not 5"},
        {"[repository.m]\nurl = ''", "/f:2:7: repository.m.url: is empty"},
        {"[repository.m]\nurl = \"a\\nb\"", "/f:2:7: repository.m.url: has control characters"},
        {"[repository.m]\nurl = 2026-01-01", "/f:2:7: repository.m.url: a text is wanted, not a date or a fraction"},
        {"[repository.m]\nurl = '/r'\npassphrase = {file = 'p'}", "/f:3:22: repository.m.passphrase.file: not an absolute path: 'p'"},
        {"[repository.m]\nurl = '/r'\npassphrase = {environment = 'A B'}", "/f:3:29: repository.m.passphrase.environment: 'A B' is no name"},
        {"[policy.p]\nkeep.daily = -1", "/f:2:14: policy.p.keep.daily: a number from 1 to 1,000,000 is wanted, not -1"},
        {"[policy.p]\ncheck = '101%'", "/f:2:9: policy.p.check: '101%': an amount is all, 10%, 20G (K, M, G, T) or 90m (s, m, h)"},
        {"[policy.p]\nrpo = '1y'", "/f:2:7: policy.p.rpo: '1y': a time is 20s, 20m, 20h, 20d or 20w"}};
    for (const auto& one : cases)
        EXPECT_EQ(issues(one.text), std::vector<std::string>{one.issue}) << one.text;
}

TEST(Config, Syntax) {
    const auto found = issues("[repository.main\n");
    ASSERT_EQ(found.size(), 1u);
    EXPECT_TRUE(found[0].starts_with("/f:1:")) << found[0];
    for (const char* text : {"[=", "[ = ]", "[[=ror rl", "x = {=}", "x = {a.=1}", "a. = 1", "[a.]", "[a.=]", "gr\u00f6\u00dfe = 1", "\u0234"})
        EXPECT_EQ(issues(text).size(), 1u) << text;
    EXPECT_EQ(issues(std::string(200, '.')), std::vector<std::string>{"/f:1:1: more than 64 dots in a line"});
}

TEST(Config, SecretsInClearAreNotShown) {
    const ConfigReading reading = read(
        "[repository.m]\nurl = '/r'\npassphrase = 'clear'\nenvironment.ST_KEY = 'clear'\n"
        "[notify.n]\nwebhook.url = {url = 'clear'}\nwebhook.headers.Authorization = 'clear'\n");
    EXPECT_EQ(reading.issues.size(), 4u);
    for (const ShownValue& value : shown_values(reading.settings))
        EXPECT_EQ(value.value.find("clear"), std::string::npos) << value.path;
    for (const ConfigIssue& issue : reading.issues)
        EXPECT_EQ(issue.text.find("'clear'"), std::string::npos) << issue.text;
}

TEST(Config, ShownValuesSayWhereTheyAreFrom) {
    const ConfigReading reading = read(whole);
    const auto shown = shown_values(reading.settings);
    const auto of = [&shown](const std::string& path) {
        for (const ShownValue& one : shown)
            if (one.path == path) return one.value + "@" + std::to_string(one.place.line);
        return std::string("none");
    };
    EXPECT_EQ(of("repository.main.passphrase"), "{command = \"pass show backup\"}@4");
    EXPECT_EQ(of("source.home.tags"), "[\"a\", \"b\"]@14");
    EXPECT_EQ(of("source.home.compression"), "\"standard\"@0");
    EXPECT_EQ(of("source.home.exclude_caches"), "false@0");
    EXPECT_EQ(of("notify.me.mail.from"), "\"holdfast\"@0");
    EXPECT_EQ(of("policy.nightly.keep.daily"), "7@22");
}

TEST(Config, EveryKeyIsInSchemaAndReference) {
    const auto schema = nlohmann::json::parse(config_schema());
    const std::string reference = config_reference();
    for (const ConfigKey& key : config_keys()) {
        EXPECT_NE(reference.find(key.doc), std::string::npos) << key.path;
        nlohmann::json at = schema;
        std::string path = key.path;
        while (!path.empty()) {
            const std::string part = path.substr(0, path.find('.'));
            path = part.size() == path.size() ? "" : path.substr(part.size() + 1);
            at = part == "*" ? at["patternProperties"].front() : at["properties"][part];
            ASSERT_TRUE(at.is_object()) << key.path;
        }
        EXPECT_EQ(at["description"], key.doc);
    }
}

// Whatever the text of a name or a value is, each problem is told once, and nothing else goes wrong.
RC_GTEST_PROP(Config, AnyTextAsAValue, (const std::string& value)) {
    const std::string text = "[repository.m]\nurl = " + nlohmann::json(value).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace) + "\n";
    const ConfigReading reading = read(text);
    RC_ASSERT(reading.issues.size() <= 1u);
    if (reading.issues.empty()) RC_ASSERT(!reading.config.repositories.at("m").url.empty());
}

}  // namespace
}  // namespace holdfast
