#include <nlohmann/json.hpp>

#include "api/check_operation.h"
#include "cli/command.h"
#include "cli/output.h"
#include "cli/progress_display.h"

namespace holdfast {
namespace {

nlohmann::json json_of(const CheckResponse& r, bool reads_data, bool asks_locks) {
    nlohmann::json document = {{"schema", 1},
            {"objects", r.objects},
            {"chunks", r.chunks},
            {"restore_points", r.points},
            {"bytes_read", r.bytes_read},
            {"problems", r.problem_count},
            {"problem_texts", r.problems},
            {"newer", r.newer_count},
            {"newer_texts", r.newer},
            {"damaged_restore_points", r.damaged_points},
            {"kept", r.not_kept.empty()},
            {"frozen_packs", r.frozen_packs},
            {"frozen_bytes", r.frozen_bytes},
            {"seconds", r.seconds}};
    if (asks_locks) {
        document["lockable_objects"] = r.locked_objects;
        document["unprotected"] = r.unprotected_count;
        document["unprotected_names"] = r.unprotected;
        document["expired_objects"] = r.expired_objects;
        document["locked_until"] = nullptr;
        if (r.locked_until) document["locked_until"] = format_rfc3339(*r.locked_until);
    }
    if (!reads_data) return document;
    document["data_bytes"] = r.data_bytes;
    document["data_bytes_never_read"] = r.never_read_bytes;
    document["oldest_read"] = nullptr;
    if (r.oldest_read) document["oldest_read"] = format_rfc3339(*r.oldest_read);
    return document;
}

std::string verdict(const CheckResponse& r) {
    if (r.problem_count != 0) return "DAMAGED: ";
    if (r.newer_count != 0) return "NOT ALL CHECKED, a newer Holdfast has written here: ";
    return "no damage found: ";
}

std::string reads(const CheckResponse& r) {
    if (r.never_read_bytes != 0)
        return format_bytes(r.never_read_bytes) + " of " + format_bytes(r.data_bytes) +
               " were never read by a check";
    if (!r.oldest_read) return "there is no data";
    return "all data was read since " + format_rfc3339(*r.oldest_read);
}

std::string locks(const CheckResponse& r) {
    const std::string until = r.locked_until ? ", the others until " + format_rfc3339(*r.locked_until) + " at least" : "";
    const std::string expired =
        r.expired_objects != 0 ? "; " + format_count(r.expired_objects) + " that older restore points need are no longer" : "";
    return format_count(r.unprotected_count) + " of " + format_count(r.locked_objects) + " objects are not locked as promised" + until +
           expired;
}

Result<ExitStatus> run(CheckRequest request, Console& console) {
    request.access = console.access;
    Progress progress;
    const auto response = [&] {
        const ProgressDisplay display(console, "check", progress);
        return check(request, progress, console.stop);
    }();
    if (!response.ok()) return response.error();
    if (console.json) {
        print_json(json_of(*response, !request.read_data.empty(), request.locks));
    } else {
        for (const std::string& problem : response->problems)
            print_warning("damage: " + printable(problem));
        for (const std::string& point : response->damaged_points)
            print_warning("restore point " + point.substr(0, 12) + " is incomplete");
        for (const std::string& newer : response->newer)
            print_warning("not checked: " + printable(newer));
        if (!console.quiet)
            print_line(verdict(*response) +
                       format_count(response->objects) + " objects, " +
                       format_count(response->chunks) + " chunks, " +
                       format_count(response->points) + " restore points, read " +
                       format_bytes(response->bytes_read));
        if (!console.quiet && response->frozen_packs != 0)
            print_line(format_count(response->frozen_packs) + " packs (" + format_bytes(response->frozen_bytes) +
                       ") are frozen in an archive class: they are there, and nothing of them was read");
        if (!console.quiet && !request.read_data.empty()) print_line(reads(*response));
        for (const std::string& name : response->unprotected) print_warning("not locked: " + printable(name));
        if (!console.quiet && request.locks) print_line(locks(*response));
        if (!response->not_kept.empty())
            print_warning("warning: the repository does not know of this check: " + printable(response->not_kept));
    }
    if (response->problem_count != 0) return ExitStatus::damaged;
    if (response->unprotected_count != 0) return ExitStatus::objective_broken;
    return response->newer_count == 0 ? ExitStatus::done : ExitStatus::failed;
}

}  // namespace

Command check_command() {
    auto request = std::make_shared<CheckRequest>();
    Command command;
    command.name = "check";
    command.summary = "prove that the repository is whole";
    command.details = "What it has found is kept in the repository, for `status`.";
    command.options = {
        {"--read-data", "[=AMOUNT]",
         "read stored bytes too: all, or 10%, 20G or 90m of them, what was read the longest time ago first",
         &request->read_data, {}, "all"},
        {"--locks", "", "ask the storage for the lock of each object that restore points need", &request->locks, {}}};
    command.state = request;
    command.run = [request](Console& console) { return run(*request, console); };
    return command;
}

}  // namespace holdfast
