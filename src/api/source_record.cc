#include "api/source_record.h"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>
#include <nlohmann/json.hpp>

#include "base/file_io.h"

namespace holdfast {
namespace {

using Json = nlohmann::json;
constexpr std::uint64_t max_record_bytes = 1 << 20;

std::string path_of(const std::string& directory, const std::string& source, const char* ending) {
    return directory + '/' + source + ending;
}

// Nothing of a foreign type is taken.
std::string text_in(const Json& document, const char* name) {
    const auto found = document.find(name);
    return found != document.end() && found->is_string() ? found->get<std::string>() : std::string();
}

TimeNs time_in(const Json& document, const char* name) {
    const auto time = parse_rfc3339(text_in(document, name));
    return time.ok() ? *time : 0;
}

}  // namespace

SourceRecord read_source_record(const std::string& directory, const std::string& source) {
    SourceRecord record;
    const auto data = read_file(path_of(directory, source, ".json"), max_record_bytes);
    if (!data.ok()) return record;
    const Json document = Json::parse(as_text(*data), nullptr, false);
    if (!document.is_object()) return record;
    record.state = source_state_from_name(text_in(document, "state"));
    record.since = time_in(document, "since");
    record.last_run = time_in(document, "last_run");
    if (const TimeNs time = time_in(document, "last_success"); time != 0) record.last_success = time;
    if (const TimeNs time = time_in(document, "last_full"); time != 0) record.last_full = time;
    record.restore_point = text_in(document, "restore_point");
    record.host = text_in(document, "host");
    record.name = text_in(document, "name");
    record.error = text_in(document, "error");
    const auto told = document.find("told");
    if (told == document.end() || !told->is_object()) return record;
    for (const auto& [name, state] : told->items())
        if (state.is_string()) record.told[name] = source_state_from_name(state.get<std::string>());
    return record;
}

Status write_source_record(const std::string& directory, const std::string& source, const SourceRecord& record) {
    Json document = {{"schema", 1},
                     {"source", source},
                     {"state", source_state_name(record.state)},
                     {"since", format_rfc3339(record.since)},
                     {"last_run", format_rfc3339(record.last_run)},
                     {"restore_point", record.restore_point},
                     {"host", record.host},
                     {"name", record.name},
                     {"error", record.error},
                     {"told", Json::object()}};
    if (record.last_success) document["last_success"] = format_rfc3339(*record.last_success);
    if (record.last_full) document["last_full"] = format_rfc3339(*record.last_full);
    for (const auto& [name, state] : record.told) document["told"][name] = source_state_name(state);
    const std::string text = document.dump(2, ' ', false, Json::error_handler_t::replace) + '\n';
    return replace_file(path_of(directory, source, ".json"), as_bytes(text), 0600);
}

Result<UniqueFd> lock_named(const std::string& directory, const std::string& name, const std::string& what) {
    HF_TRY_STATUS(make_directories(directory, 0700));
    const std::string path = path_of(directory, name, ".lock");
    HF_TRY(UniqueFd fd, open_file(path, O_RDWR | O_CREAT, 0600));
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) == 0) return fd;
    if (errno == EWOULDBLOCK) return Error(ErrorCode::conflict, "another run works on the " + what + " '" + name + "'");
    return Error::from_errno(errno, path);
}

Result<UniqueFd> lock_source(const std::string& directory, const std::string& source) {
    return lock_named(directory, source, "source");
}

}  // namespace holdfast
