// What systemd and cron are told of a configuration: pure, but for what it is given.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "config/config.h"

namespace holdfast {

// Whose units they are.
enum class UnitOwner : std::uint8_t { system, user };

struct UnitContext {
    std::string program;      // absolute
    std::string config_file;  // absolute
    UnitOwner owner = UnitOwner::system;
    std::string state_directory, cache_directory;
    // That say where these are, where they are not in the default places.
    std::vector<std::pair<std::string, std::string>> variables;
};

// The first line of every file that is written: only such ones are replaced or removed.
std::string schedule_marker();
// The policies with a schedule, and a source that has them.
std::vector<std::string> scheduled_policies(const Config& config);
// "holdfast-run@NAME"; with ".service" and ".timer".
std::string unit_name(const std::string& policy);
std::string service_unit(const Config& config, const std::string& policy, const UnitContext& context);
std::string timer_unit(const Config& config, const std::string& policy);
// For /etc/cron.d. Errors: unsupported.
Result<std::string> crontab_fragment(const Config& config, const UnitContext& context);

}  // namespace holdfast
