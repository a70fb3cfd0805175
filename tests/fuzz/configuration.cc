// Input: a configuration file. Every issue has its place; what has none is whole.
#include "config/config.h"

#include "config/reference.h"
#include "targets.h"

namespace holdfast {
namespace {

void check_whole(const Config& config) {
    for (const auto& [name, repository] : config.repositories) {
        HF_CHECK(is_config_name(name) && !repository.url.empty());
        HF_CHECK(!repository.key_file || !repository.passphrase);
        for (const auto& [variable, value] : repository.environment)
            HF_CHECK(!is_secret_variable(variable) || value.secret.has_value());
    }
    for (const auto& [name, source] : config.sources) {
        HF_CHECK(is_config_name(name) && !source.source.empty() && source.hooks.timeout > 0);
        HF_CHECK(config.repositories.contains(source.repository));
        HF_CHECK(!source.policy || config.policies.contains(*source.policy));
    }
    for (const auto& [name, policy] : config.policies) {
        HF_CHECK(policy.schedule.has_value() == !policy.schedule_text.empty());
        for (const std::string& copy : policy.copies) HF_CHECK(config.repositories.contains(copy));
    }
    for (const auto& [name, notification] : config.notifications)
        HF_CHECK((notification.mail || notification.webhook) && notification.timeout > 0);
}

}  // namespace

void fuzz_configuration(ByteSpan input) {
    const ConfigText text{"/etc/holdfast/holdfast.toml", std::string(as_text(input))};
    const ConfigReading reading = read_config({text});
    for (const ConfigIssue& issue : reading.issues)
        HF_CHECK(issue.place.file == text.file && issue.place.line != 0 && !issue.text.empty());
    HF_CHECK(read_config({text}).issues.size() == reading.issues.size());
    for (const ShownValue& value : shown_values(reading.settings)) HF_CHECK(!value.path.empty() && !value.value.empty());
    (void)included_patterns(text);
    if (reading.issues.empty()) check_whole(reading.config);
}

}  // namespace holdfast
