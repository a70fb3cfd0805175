#include "api/browse_operations.h"

#include <fnmatch.h>

#include <algorithm>

#include "backup/live_diff.h"
#include "base/worker_pool.h"
#include "repository/marks.h"
#include "source/files/files_source.h"

namespace holdfast {
namespace {

PointSummary summary_of(PointInfo point) {
    return {point.id.hex(), std::move(point.record), point.is_deleted, point.is_held,
            point.is_damaged};
}

}  // namespace

Result<std::vector<PointSummary>> list(const ListRequest& request) {
    HF_TRY(const auto repository, open_repository(request.access));
    HF_TRY(auto points,
           list_points(*repository, request.filter,
                       request.show_deleted ? Deleted::shown : Deleted::hidden));
    std::vector<PointSummary> summaries;
    for (PointInfo& point : points) summaries.push_back(summary_of(std::move(point)));
    return summaries;
}

Result<ShowResponse> show(const PointRequest& request) {
    HF_TRY(const auto repository, open_repository(request.access));
    HF_TRY(PointInfo point, select_point(*repository, parse_point_path(request.point).point,
                                         request.filter,
                                         parse_point_path(request.point).point == "latest"
                                             ? Deleted::hidden
                                             : Deleted::shown));
    HF_TRY(std::vector<MarkRecord> marks, read_marks(*repository, point.id));
    ShowResponse response{summary_of(std::move(point)), {}, {}};
    for (MarkRecord& mark : marks) {
        const MarkSummary summary{mark.time, std::move(mark.reason)};
        if (mark.kind == MarkKind::held) response.held = summary;
        if (mark.kind == MarkKind::deleted) response.deleted = summary;
    }
    return response;
}

Status ls(const PointRequest& request, Recursion recursion, const EntryVisitor& visit) {
    HF_TRY(const auto repository, open_to_read_point(request.access));
    const PointPath wanted = parse_point_path(request.point);
    HF_TRY(const PointInfo point,
           select_point_to_read(*repository, wanted.point, request.filter));
    HF_TRY(ChunkReader* const chunks, repository->chunks());
    HF_TRY(const Entry entry, find_entry(*chunks, point.record.root, wanted.path));
    if (entry.metadata.type != EntryType::directory)
        return visit(wanted.path.empty() ? entry.name : wanted.path, entry);
    return for_each_entry_below(*chunks, entry, wanted.path, recursion, visit);
}

Status find(const FindRequest& request,
            const std::function<Status(const PointSummary&, const std::string&, const Entry&)>&
                visit) {
    HF_TRY(const auto repository, open_repository(request.access));
    std::vector<PointInfo> points;
    if (request.points.empty()) {
        HF_TRY(points, list_points(*repository, request.filter, Deleted::hidden));
    }
    for (const std::string& one : request.points) {
        HF_TRY(PointInfo point,
               select_point(*repository, one, request.filter, Deleted::hidden));
        points.push_back(std::move(point));
    }
    HF_TRY(ChunkReader* const chunks, repository->chunks());
    const bool whole_path = request.pattern.find('/') != std::string::npos;
    const std::string pattern =
        request.pattern.starts_with('/') ? request.pattern.substr(1) : request.pattern;
    for (PointInfo& point : points) {
        const PointSummary summary = summary_of(std::move(point));
        const EntryVisitor match = [&](const std::string& path, const Entry& entry) -> Status {
            const std::string& subject = whole_path ? path : entry.name;
            if (::fnmatch(pattern.c_str(), subject.c_str(), whole_path ? FNM_PATHNAME : 0) != 0)
                return {};
            return visit(summary, path, entry);
        };
        const Entry& root = summary.record.root;
        if (root.metadata.type != EntryType::directory) HF_TRY_STATUS(match(root.name, root));
        HF_TRY_STATUS(for_each_entry_below(*chunks, root, "", Recursion::all, match));
    }
    return {};
}

namespace {

// What is at `path` of the source now.
Result<std::unique_ptr<FilesSource>> open_live(const DiffRequest& request,
                                               const std::string& url,
                                               const std::string& path) {
    constexpr std::string_view scheme = "files:";
    if (!url.starts_with(scheme))
        return Error(ErrorCode::unsupported, "--live is for sources of files");
    std::string root = url.substr(scheme.size());
    if (!path.empty()) root += '/' + path;
    HF_TRY(const ResolvedAccess access, resolve_access(request.access));
    HF_TRY(FilesOptions options, files_options(request.exclude, root));
    leave_out_own_places(access, options);
    return FilesSource::open_root(root, std::move(options));
}

}  // namespace

Status diff(const DiffRequest& request, const DiffVisitor& visit) {
    HF_TRY(const auto repository, open_to_read_point(request.access));
    const PointPath first_path = parse_point_path(request.first);
    HF_TRY(const PointInfo first,
           select_point_to_read(*repository, first_path.point, request.filter));
    HF_TRY(ChunkReader* const chunks, repository->chunks());
    HF_TRY(const Entry a, find_entry(*chunks, first.record.root, first_path.path));
    if (request.second.empty()) {
        HF_TRY(const auto source, open_live(request, first.record.source, first_path.path));
        return diff_live(*chunks, a, *source, visit);
    }
    const PointPath second_path = parse_point_path(request.second);
    HF_TRY(const PointInfo second,
           select_point_to_read(*repository, second_path.point, request.filter));
    HF_TRY(const Entry b, find_entry(*chunks, second.record.root, second_path.path));
    return diff_trees(*chunks, a, b, visit);
}

Status cat(const PointRequest& request, const std::function<Status(ByteSpan)>& write) {
    HF_TRY(const auto repository, open_to_read_point(request.access));
    const PointPath wanted = parse_point_path(request.point);
    HF_TRY(const PointInfo point,
           select_point_to_read(*repository, wanted.point, request.filter));
    HF_TRY(ChunkReader* const chunks, repository->chunks());
    HF_TRY(const Entry entry, find_entry(*chunks, point.record.root, wanted.path));
    if (entry.metadata.type != EntryType::file)
        return Error(ErrorCode::invalid_argument, request.point + ": not a file");
    if (const auto* content = std::get_if<InlineContent>(&entry.content))
        return write(content->data);
    ChunkId last{};
    ChunkContent chunk;
    return for_each_run(*chunks, entry, [&](const Run& run) -> Status {
        if (run.kind == RunKind::data) {
            if (run.chunk != last || !chunk.has(run.chunk_offset, run.bytes)) {
                const ChunkRange part{run.chunk_offset, static_cast<std::uint32_t>(run.bytes)};
                HF_TRY(chunk, chunks->read_part(run.chunk, ChunkPurpose::data, part));
                last = run.chunk;
            }
            if (!chunk.has(run.chunk_offset, run.bytes))
                return Error(ErrorCode::corrupt, "a run beyond its chunk's end");
            return write(
                ByteSpan(chunk.bytes).subspan(run.chunk_offset, static_cast<std::size_t>(run.bytes)));
        }
        static const Bytes zeros(65536);
        for (std::uint64_t done = 0; done < run.bytes; done += zeros.size())
            HF_TRY_STATUS(write(ByteSpan(zeros).first(static_cast<std::size_t>(
                std::min<std::uint64_t>(zeros.size(), run.bytes - done)))));
        return {};
    });
}

Result<UsageResponse> usage(const AccessRequest& access) {
    HF_TRY(const auto repository, open_repository(access));
    UsageResponse response;
    response.repository = repository->storage().description();
    HF_TRY(const auto folders, repository->usage());
    for (const auto& [name, folder] : folders) {
        response.folders[name] = {folder.objects, folder.bytes};
        response.objects += folder.objects;
        response.bytes += folder.bytes;
    }
    HF_TRY(const auto points, list_points(*repository, {}, Deleted::shown));
    response.points = points.size();
    for (const PointInfo& point : points)
        response.content_bytes += point.record.stats.content_bytes;
    return response;
}

}  // namespace holdfast
