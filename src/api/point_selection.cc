#include "api/point_selection.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <set>

#include "repository/repository.h"
#include "storage/at_once.h"

namespace holdfast {
namespace {

// How many a message names.
constexpr std::size_t max_candidates = 10;

bool has_all_tags(const RestorePointRecord& record, const std::vector<std::string>& tags) {
    return std::all_of(tags.begin(), tags.end(), [&record](const std::string& tag) {
        return std::find(record.tags.begin(), record.tags.end(), tag) != record.tags.end();
    });
}

// What a filter asks for, in the form that records have it.
struct Wanted {
    PointFilter filter;
    std::string source_path;  // absolute; empty when no source was asked for
};

// A path as a backup of it would name it; what is not there any more by its text alone.
std::string canonical_path(std::string text) {
    constexpr std::string_view scheme = "files:";
    if (text.starts_with(scheme)) text.erase(0, scheme.size());
    std::error_code error;
    const auto absolute = std::filesystem::absolute(text, error);
    std::string path = std::filesystem::weakly_canonical(absolute, error).string();
    while (path.size() > 1 && path.back() == '/') path.pop_back();
    return error ? text : path;
}

Result<Wanted> wanted_of(const PointFilter& filter) {
    const auto is_empty = [](const std::optional<std::string>& text) { return text && text->empty(); };
    if (is_empty(filter.host) || is_empty(filter.source) || is_empty(filter.name) ||
        std::find(filter.tags.begin(), filter.tags.end(), "") != filter.tags.end())
        return Error(ErrorCode::invalid_argument, "a host, source, name or tag is empty");
    Wanted wanted{filter, {}};
    if (filter.source) wanted.source_path = canonical_path(*filter.source);
    return wanted;
}

bool is_named(const RestorePointRecord& record, const std::string& name) {
    return record.name == name || record.source == name || record.source == "files:" + name;
}

bool is_of(const RestorePointRecord& record, const Wanted& wanted) {
    const PointFilter& filter = wanted.filter;
    if (filter.host && record.host != *filter.host) return false;
    if (filter.name && !is_named(record, *filter.name)) return false;
    return !filter.source || is_named(record, *filter.source) ||
           is_named(record, wanted.source_path);
}

bool passes(const PointInfo& point, const Wanted& wanted) {
    const PointFilter& filter = wanted.filter;
    return is_of(point.record, wanted) && (!filter.at || point.record.started <= *filter.at) &&
           has_all_tags(point.record, filter.tags);
}

// The source whose identity is exactly what the filter says; a URL in place of a name is another.
std::optional<SourceId> exact_source(const Repository& repository, const Wanted& wanted) {
    const PointFilter& filter = wanted.filter;
    if (!filter.host || (!filter.name && !filter.source)) return std::nullopt;
    const std::string& name = filter.name ? *filter.name : wanted.source_path;
    return repository.keyring().source_id(*filter.host, name);
}

std::string candidates(const std::vector<PointInfo>& points) {
    std::string text;
    for (std::size_t i = 0; i < points.size() && i < max_candidates; ++i) {
        const RestorePointRecord& record = points[i].record;
        text += (i == 0 ? " " : "; ") + points[i].id.hex().substr(0, 12) + " " + format_rfc3339(record.started) +
                " " + record.host + " " + record.name;
    }
    if (points.size() > max_candidates)
        text += "; and " + std::to_string(points.size() - max_candidates) + " more";
    return text;
}

Error damaged(const PointInfo& point) {
    const std::string which = "restore point " + point.id.hex().substr(0, 12) + " of " +
                              format_rfc3339(point.record.started);
    if (point.damage && point.damage->code() == ErrorCode::unsupported)
        return {ErrorCode::unsupported, which + ": " + point.damage->message()};
    return {ErrorCode::corrupt, which + " is damaged"};
}

bool is_hex(const std::string& text) {
    return !text.empty() && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

}  // namespace

namespace {

// What `find` and `ls` print for a name that a terminal should not see: \xNN, and \\ for \.
std::string unescape(const std::string& text) {
    std::string result;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const Bytes byte = text.compare(i, 2, "\\x") == 0 ? from_hex(text.substr(i + 2, 2)) : Bytes{};
        if (byte.size() == 1) {
            result += static_cast<char>(byte[0]);
            i += 3;
        } else {
            if (text.compare(i, 2, "\\\\") == 0) ++i;
            result += text[i];
        }
    }
    return result;
}

}  // namespace

PointPath parse_point_path(const std::string& text) {
    PointPath result;
    const std::size_t colon = text.find(':');
    result.point = text.substr(0, colon);
    if (colon == std::string::npos) return result;
    result.has_path = true;
    result.path = unescape(text.substr(colon + 1));
    result.path.erase(0, std::min(result.path.find_first_not_of('/'), result.path.size()));
    while (!result.path.empty() && result.path.back() == '/') result.path.pop_back();
    return result;
}

std::string this_host() {
    const char* set = std::getenv("HOLDFAST_HOST");
    if (set != nullptr && *set != '\0') return set;
    char name[256] = {};
    if (::gethostname(name, sizeof name - 1) != 0 || name[0] == '\0') return "localhost";
    return name;
}

Result<std::vector<PointInfo>> list_points(Repository& repository,
                                           const PointFilter& filter,
                                           Deleted deleted) {
    HF_TRY(const Wanted wanted, wanted_of(filter));
    std::vector<PointInfo> points;
    if (const auto source = exact_source(repository, wanted)) {
        HF_TRY(points, repository.points(source));
    }
    if (points.empty()) {
        HF_TRY(points, repository.points(std::nullopt));
    }
    std::erase_if(points, [&](const PointInfo& point) {
        // Nobody can say what a damaged point is of: it is never filtered out.
        if (point.is_damaged) return false;
        return point.record.is_partial || point.is_unverified || (deleted == Deleted::hidden && point.is_deleted) ||
               !passes(point, wanted);
    });
    std::stable_sort(points.begin(), points.end(), [](const PointInfo& a, const PointInfo& b) {
        return a.record.started < b.record.started;
    });
    return points;
}

namespace {

// The latest of one source. Of several sources, nobody can say which is meant.
Result<PointInfo> select_latest(Repository& repository,
                                const std::optional<SourceId>& source,
                                const Wanted& wanted,
                                Deleted deleted) {
    const PointFilter& filter = wanted.filter;
    using Choice = Repository::Choice;
    std::vector<PointInfo> damaged_points;
    const auto choose = [&](const PointInfo& point) {
        if ((point.is_deleted && deleted == Deleted::hidden) ||
            (filter.at && point.record.started > *filter.at))
            return Choice::next_point;
        if (point.is_damaged) {
            damaged_points.push_back(point);
            return Choice::next_point;
        }
        // All points of a source have its host and name; its URL is that of its newest.
        if (!is_of(point.record, wanted)) return Choice::next_source;
        return has_all_tags(point.record, filter.tags) ? Choice::take : Choice::next_point;
    };
    HF_TRY(std::vector<PointInfo> latest, repository.latest(source, choose));
    // An older point must not pass for the latest because the latest is damaged.
    for (const PointInfo& lost : damaged_points) {
        const bool is_hidden = std::any_of(latest.begin(), latest.end(), [&lost](const auto& point) {
            return point.source == lost.source;
        });
        if (is_hidden || latest.empty()) return damaged(lost);
    }
    if (latest.empty()) return Error(ErrorCode::not_found, "no restore point matches");
    if (latest.size() > 1)
        return Error(ErrorCode::invalid_argument,
                     "`latest` of which source? Choose with --source or --host:" +
                         candidates(latest));
    return std::move(latest.front());
}

// Hosts that have what was asked for of another one, for a message.
std::string other_hosts(Repository& repository, Wanted wanted, Deleted deleted) {
    wanted.filter.host.reset();
    const auto points = repository.latest(std::nullopt, [&](const PointInfo& point) {
        if (point.is_damaged || (point.is_deleted && deleted == Deleted::hidden))
            return Repository::Choice::next_point;
        if (!is_of(point.record, wanted)) return Repository::Choice::next_source;
        return passes(point, wanted) ? Repository::Choice::take : Repository::Choice::next_point;
    });
    if (!points.ok()) return {};
    std::set<std::string> hosts;
    for (const PointInfo& point : *points) hosts.insert(point.record.host);
    std::string text;
    std::size_t count = 0;
    for (const std::string& host : hosts) {
        if (++count > max_candidates) break;
        text += (text.empty() ? "" : ", ") + host;
    }
    if (count > max_candidates) text += ", ...";
    return text;
}

Result<PointInfo> select_latest(Repository& repository,
                                const PointFilter& filter,
                                Deleted deleted) {
    HF_TRY(Wanted wanted, wanted_of(filter));
    if (!filter.host) wanted.filter.host = this_host();
    if (const auto source = exact_source(repository, wanted)) {
        auto found = select_latest(repository, source, wanted, deleted);
        if (found.ok() || found.error().code() != ErrorCode::not_found) return found;
    }
    auto found = select_latest(repository, std::nullopt, wanted, deleted);
    if (found.ok() || found.error().code() != ErrorCode::not_found) return found;
    std::string text = "no restore point of " + std::string(filter.host ? "" : "this ") + "host '" +
                       *wanted.filter.host + "' matches";
    const std::string others = other_hosts(repository, wanted, deleted);
    if (!others.empty()) text += "; choose with --host one that has one: " + others;
    return Error(ErrorCode::not_found, text);
}

// Errors: not_found when nothing else is left.
Status leave_out_deleted(std::vector<PointInfo>& points) {
    const auto live = std::stable_partition(points.begin(), points.end(),
                                     [](const PointInfo& point) { return !point.is_deleted; });
    if (live == points.begin() && !points.empty())
        return Error(ErrorCode::not_found, "restore point " + points.front().id.hex().substr(0, 12) +
                                               " is deleted; undelete it first");
    points.erase(live, points.end());
    return {};
}

}  // namespace

Result<PointInfo> select_point(Repository& repository,
                               const std::string& point,
                               const PointFilter& filter,
                               Deleted deleted) {
    if (point == "latest") return select_latest(repository, filter, deleted);
    HF_TRY(std::vector<PointInfo> points, list_points(repository, filter, Deleted::shown));
    if (!is_hex(point))
        return Error(ErrorCode::invalid_argument,
                     "not a restore point: '" + point + "' (an id, a prefix of one, or latest)");
    std::erase_if(points, [&point](const PointInfo& p) { return !p.id.hex().starts_with(point); });
    if (deleted == Deleted::hidden) HF_TRY_STATUS(leave_out_deleted(points));
    if (points.size() == 1 && points.front().is_damaged) return damaged(points.front());
    if (points.size() == 1) return std::move(points.front());
    if (points.empty()) return Error(ErrorCode::not_found, "no restore point begins with " + point);
    return Error(ErrorCode::invalid_argument,
                 "more than one restore point begins with " + point + ":" + candidates(points));
}

Result<PointInfo> select_point_to_read(Repository& repository, const std::string& point, const PointFilter& filter) {
    auto index = ask_at_once(repository.storage(), [&repository] { return repository.index(); });
    HF_TRY(PointInfo selected, select_point(repository, point, filter, Deleted::hidden));
    // What goes wrong with the index, who reads through it is told.
    if (index.get().ok()) HF_TRY_STATUS(repository.know_point(selected));
    return selected;
}

}  // namespace holdfast
