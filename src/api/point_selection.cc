#include "api/point_selection.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <set>

#include "repository/repository.h"

namespace holdfast {
namespace {

bool has_all_tags(const RestorePointRecord& record, const std::vector<std::string>& tags) {
    return std::all_of(tags.begin(), tags.end(), [&record](const std::string& tag) {
        return std::find(record.tags.begin(), record.tags.end(), tag) != record.tags.end();
    });
}

bool passes(const PointInfo& point, const PointFilter& filter) {
    const RestorePointRecord& record = point.record;
    if (filter.host && !filter.host->empty() && record.host != *filter.host) return false;
    if (filter.name && record.name != *filter.name && record.source != *filter.name &&
        record.source != "files:" + *filter.name)
        return false;
    if (filter.at && record.started > *filter.at) return false;
    return has_all_tags(record, filter.tags);
}

std::string candidates(const std::vector<PointInfo>& points) {
    std::string text;
    for (std::size_t i = 0; i < points.size() && i < 10; ++i) {
        const RestorePointRecord& record = points[i].record;
        text += (i == 0 ? " " : "; ") + points[i].id.hex().substr(0, 12) + " " + format_rfc3339(record.started) +
                " " + record.host + " " + record.name;
    }
    if (points.size() > 10) text += "; and " + std::to_string(points.size() - 10) + " more";
    return text;
}

Error damaged(const PointInfo& point) {
    return {ErrorCode::corrupt,
            "restore point " + point.id.hex().substr(0, 12) + " of " +
                format_rfc3339(point.record.started) + " is damaged"};
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
    const std::size_t start = text.find_first_not_of('/', colon + 1);
    if (start != std::string::npos) result.path = unescape(text.substr(start));
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
    std::optional<SourceId> source;
    if (filter.host && !filter.host->empty() && filter.name) {
        // The exact identity needs one short listing; a URL in place of a name needs them all.
        const SourceId exact = repository.keyring().source_id(*filter.host, *filter.name);
        HF_TRY(const auto found, repository.points(exact));
        if (!found.empty()) source = exact;
    }
    HF_TRY(std::vector<PointInfo> points, repository.points(source));
    std::erase_if(points, [&](const PointInfo& point) {
        // Nobody can say what a damaged point is of: it is never filtered out.
        if (point.is_damaged) return false;
        return point.record.is_partial || (deleted == Deleted::hidden && point.is_deleted) ||
               !passes(point, filter);
    });
    std::stable_sort(points.begin(), points.end(), [](const PointInfo& a, const PointInfo& b) {
        return a.record.started < b.record.started;
    });
    return points;
}

Result<PointInfo> select_point(Repository& repository,
                               const std::string& point,
                               const PointFilter& filter,
                               Deleted deleted) {
    PointFilter wanted = filter;
    const bool is_latest = point == "latest";
    if (is_latest && !wanted.host) wanted.host = this_host();
    HF_TRY(std::vector<PointInfo> points, list_points(repository, wanted, deleted));
    if (!is_latest) {
        if (!is_hex(point))
            return Error(ErrorCode::invalid_argument,
                         "not a restore point: '" + point + "' (an id, a prefix of one, or latest)");
        std::erase_if(points, [&point](const PointInfo& p) { return !p.id.hex().starts_with(point); });
        if (points.size() == 1 && points.front().is_damaged) return damaged(points.front());
        if (points.size() == 1) return std::move(points.front());
        if (points.empty())
            return Error(ErrorCode::not_found, "no restore point begins with " + point);
        return Error(ErrorCode::invalid_argument,
                     "more than one restore point begins with " + point + ":" + candidates(points));
    }
    if (points.empty()) return Error(ErrorCode::not_found, "no restore point matches");
    // The latest of one source. Of several sources, nobody can say which is meant.
    std::set<SourceId> sources;
    std::vector<PointInfo> latest;
    for (auto it = points.rbegin(); it != points.rend(); ++it)
        if (!it->is_damaged && sources.insert(it->source).second) latest.push_back(*it);
    for (const PointInfo& other : points) {
        // An older point must not pass for the latest because the latest is damaged.
        const bool hides = std::any_of(latest.begin(), latest.end(), [&other](const PointInfo& p) {
            return p.source == other.source && p.record.started <= other.record.started;
        });
        if (other.is_damaged && (hides || latest.empty())) return damaged(other);
    }
    if (latest.size() > 1)
        return Error(ErrorCode::invalid_argument,
                     "`latest` of which source? Choose with --source or --host:" +
                         candidates(latest));
    return std::move(latest.front());
}

}  // namespace holdfast
