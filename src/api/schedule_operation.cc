#include "api/schedule_operation.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <memory>
#include <set>

#include "api/configuration.h"
#include "api/schedule_files.h"
#include "base/environment.h"
#include "base/file_io.h"
#include "base/subprocess.h"

namespace holdfast {
namespace {

constexpr std::uint64_t max_unit_bytes = 1 << 20;
constexpr TimeNs command_timeout = 60 * ns_per_second;

Result<std::string> own_program() {
    char path[PATH_MAX] = {};
    const ssize_t length = ::readlink("/proc/self/exe", path, sizeof path - 1);
    if (length <= 0) return Error::from_errno(errno, "finding this program");
    return std::string(path, static_cast<std::size_t>(length));
}

Result<std::string> absolute_path(const std::string& path) {
    const std::unique_ptr<char, decltype(&std::free)> resolved(::realpath(path.c_str(), nullptr), &std::free);
    if (!resolved) return Error::from_errno(errno, path);
    return std::string(resolved.get());
}

UnitOwner owner() {
    return ::geteuid() == 0 ? UnitOwner::system : UnitOwner::user;
}

// Where the scheduler looks. Errors: unsupported for a user's crontab, which is in no directory of his.
Result<std::string> directory_of(const ScheduleRequest& request) {
    if (request.directory) return *request.directory;
    if (request.scheduler == Scheduler::cron) {
        if (owner() == UnitOwner::system || request.dry_run) return std::string("/etc/cron.d");
        return Error(ErrorCode::unsupported,
                     "a user's crontab is in no directory: add what --dry-run prints to it with `crontab -e`");
    }
    if (owner() == UnitOwner::system) return std::string("/etc/systemd/system");
    // Beside the directory of this program's own configuration.
    const std::string own = default_places().configuration;
    return own.substr(0, own.rfind('/')) + "/systemd/user";
}

// Nothing: there is no such file. Errors: already_exists for one that is not of this program.
Result<std::optional<std::string>> own_text(const std::string& path) {
    const auto data = read_file(path, max_unit_bytes);
    if (!data.ok() && data.error().code() == ErrorCode::not_found) return std::optional<std::string>();
    if (!data.ok()) return data.error();
    std::string text(as_text(*data));
    if (!text.starts_with(schedule_marker()))
        return Error(ErrorCode::already_exists, path + ": was not written by `holdfast schedule install`");
    return std::optional(std::move(text));
}

// The files of this program in a directory, by the names that it gives.
std::vector<std::string> own_files_in(const std::string& directory, Scheduler scheduler) {
    std::vector<std::string> paths;
    struct Close {
        void operator()(DIR* open) const { ::closedir(open); }
    };
    const std::unique_ptr<DIR, Close> open(::opendir(directory.c_str()));
    if (!open) return paths;
    while (const dirent* entry = ::readdir(open.get())) {
        const std::string name = entry->d_name;
        const bool is_unit = name.starts_with("holdfast-run@") && (name.ends_with(".service") || name.ends_with(".timer"));
        const bool is_wanted = scheduler == Scheduler::cron ? name == "holdfast" : is_unit;
        const std::string path = directory + '/' + name;
        if (!is_wanted) continue;
        const auto text = own_text(path);
        if (text.ok() && *text) paths.push_back(path);
    }
    std::sort(paths.begin(), paths.end());
    return paths;
}

std::string name_of(const std::string& path) {
    return path.substr(path.rfind('/') + 1);
}

std::string systemctl() {
    return owner() == UnitOwner::system ? "systemctl " : "systemctl --user ";
}

Status run_commands(const std::vector<std::string>& commands) {
    for (const std::string& command : commands) {
        HF_TRY(const int status, run_shell_command({command, {}, "", command_timeout}, system_clock(), {}));
        if (status != 0)
            return Error(ErrorCode::unavailable, "`" + command + "` ended with status " + std::to_string(status));
    }
    return {};
}

// Whether there is somebody to be told.
bool can_tell(const ScheduleRequest& request) {
    return !request.dry_run && !request.directory && request.scheduler == Scheduler::systemd &&
           ::access("/run/systemd/system", F_OK) == 0;
}

// A line break would begin a directive of its own.
Status check_lines(const UnitContext& context) {
    std::vector<std::string> texts{context.program, context.config_file, context.state_directory, context.cache_directory};
    for (const auto& [name, value] : context.variables) texts.push_back(value);
    for (const std::string& text : texts)
        if (std::any_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; }))
            return Error(ErrorCode::invalid_argument, "a path with control characters: '" + text + "'");
    return {};
}

Result<std::vector<ScheduleFile>> wanted_files(const ScheduleRequest& request, const std::string& directory) {
    const ConfigurationPlace place = configuration_place(request.access.config_file);
    HF_TRY(const Config config, load_configuration(request.access.config_file));
    if (scheduled_policies(config).empty())
        return Error(ErrorCode::invalid_argument, "no policy of the configuration has a schedule, and a source");
    UnitContext context;
    context.owner = owner();
    context.state_directory = default_places().state;
    context.cache_directory = default_places().cache;
    const auto cache = process_environment()("HOLDFAST_CACHE_DIR");
    if (request.access.cache_directory || cache) {
        context.cache_directory = request.access.cache_directory ? *request.access.cache_directory : *cache;
        context.variables.emplace_back("HOLDFAST_CACHE_DIR", context.cache_directory);
    }
    if (process_environment()("HOLDFAST_STATE_DIR"))
        context.variables.emplace_back("HOLDFAST_STATE_DIR", context.state_directory);
    HF_TRY(context.program, own_program());
    HF_TRY(context.config_file, absolute_path(place.file));
    HF_TRY_STATUS(check_lines(context));
    std::vector<ScheduleFile> files;
    if (request.scheduler == Scheduler::cron) {
        HF_TRY(std::string text, crontab_fragment(config, context));
        files.push_back({directory + "/holdfast", std::move(text)});
        return files;
    }
    for (const std::string& policy : scheduled_policies(config)) {
        const std::string path = directory + '/' + unit_name(policy);
        files.push_back({path + ".service", service_unit(config, policy, context)});
        files.push_back({path + ".timer", timer_unit(config, policy)});
    }
    return files;
}

// Commands before files go, and after others have come.
std::vector<std::string> commands_before(const std::vector<std::string>& going) {
    std::vector<std::string> commands;
    for (const std::string& path : going)
        if (path.ends_with(".timer")) commands.push_back(systemctl() + "disable --now " + name_of(path));
    return commands;
}

std::vector<std::string> commands_after(const std::vector<ScheduleFile>& files) {
    std::vector<std::string> commands{systemctl() + "daemon-reload"};
    for (const ScheduleFile& file : files)
        if (file.path.ends_with(".timer") && !file.text.empty())
            commands.push_back(systemctl() + "enable --now " + name_of(file.path));
    return commands;
}

Status write_files(const std::vector<ScheduleFile>& files, const std::string& directory) {
    HF_TRY_STATUS(make_directories(directory, 0755));
    for (const ScheduleFile& file : files) {
        if (!file.text.empty()) HF_TRY_STATUS(replace_file(file.path, as_bytes(file.text), 0644));
        else if (::unlink(file.path.c_str()) != 0 && errno != ENOENT) return Error::from_errno(errno, file.path);
    }
    return {};
}

// Writes and removes `files`, between the commands.
Result<ScheduleResponse> carry_out(const ScheduleRequest& request,
                                   const std::string& directory,
                                   std::vector<ScheduleFile> files) {
    std::vector<std::string> going;
    for (const ScheduleFile& file : files)
        if (file.text.empty()) going.push_back(file.path);
    ScheduleResponse response;
    if (request.scheduler == Scheduler::systemd) {
        response.commands = commands_before(going);
        const auto after = commands_after(files);
        const bool tells = can_tell(request);
        if (tells) HF_TRY_STATUS(run_commands(response.commands));
        if (!request.dry_run) HF_TRY_STATUS(write_files(files, directory));
        if (tells) HF_TRY_STATUS(run_commands(after));
        response.has_told = tells;
        response.commands.insert(response.commands.end(), after.begin(), after.end());
    } else if (!request.dry_run) {
        HF_TRY_STATUS(write_files(files, directory));
    }
    response.files = std::move(files);
    return response;
}

}  // namespace

Result<std::vector<ScheduledRun>> preview_schedule(const PreviewRequest& request) {
    HF_TRY(const Config config, load_configuration(request.access.config_file));
    std::vector<std::string> policies = request.policies;
    if (policies.empty()) policies = scheduled_policies(config);
    const TimeNs from = request.from.value_or(system_clock().now());
    std::vector<ScheduledRun> runs;
    for (const std::string& name : policies) {
        const auto policy = config.policies.find(name);
        if (policy == config.policies.end() || !policy->second.schedule)
            return Error(ErrorCode::invalid_argument, "no policy '" + name + "' with a schedule");
        std::vector<std::string> sources;
        for (const auto& [source, one] : config.sources)
            if (one.policy == name) sources.push_back(source);
        TimeNs time = from;
        for (unsigned i = 0; i < request.count; ++i) {
            const auto next = next_time(*policy->second.schedule, time, local_zone_offset);
            if (!next) break;
            time = *next;
            runs.push_back({time, name, sources});
        }
    }
    std::stable_sort(runs.begin(), runs.end(),
                     [](const ScheduledRun& a, const ScheduledRun& b) { return a.time < b.time; });
    if (runs.size() > request.count) runs.resize(request.count);
    return runs;
}

Result<ScheduleResponse> install_schedule(const ScheduleRequest& request) {
    HF_TRY(const std::string directory, directory_of(request));
    HF_TRY(std::vector<ScheduleFile> files, wanted_files(request, directory));
    std::set<std::string> wanted;
    for (const ScheduleFile& file : files) {
        wanted.insert(file.path);
        HF_TRY([[maybe_unused]] const auto before, own_text(file.path));
    }
    for (const std::string& path : own_files_in(directory, request.scheduler))
        if (!wanted.contains(path)) files.push_back({path, ""});
    return carry_out(request, directory, std::move(files));
}

Result<ScheduleResponse> remove_schedule(const ScheduleRequest& request) {
    HF_TRY(const std::string directory, directory_of(request));
    std::vector<ScheduleFile> files;
    for (const std::string& path : own_files_in(directory, request.scheduler)) files.push_back({path, ""});
    if (files.empty()) return ScheduleResponse{};
    return carry_out(request, directory, std::move(files));
}

}  // namespace holdfast
