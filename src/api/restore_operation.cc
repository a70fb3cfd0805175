#include "api/restore_operation.h"

#include "api/own_places.h"
#include "repository/tree_reader.h"
#include "restore/bucket_restore.h"
#include "restore/restore.h"
#include "s3/bucket.h"

namespace holdfast {
namespace {

Result<Overwrite> parse_overwrite(const std::string& text) {
    if (text == "never") return Overwrite::never;
    if (text == "changed") return Overwrite::changed;
    if (text == "always") return Overwrite::always;
    return Error(ErrorCode::invalid_argument,
                 "--overwrite is never, changed or always, not '" + text + "'");
}

// Where the entry was when it was backed up (for a directory itself, for a file its directory), and
// the directories of the source on the way there.
Status find_original_place(ChunkReader& chunks,
                           const RestorePointRecord& record,
                           const PointPath& wanted,
                           const Entry& entry,
                           RestoreOptions& options) {
    constexpr std::string_view scheme = "files:";
    if (!record.source.starts_with(scheme))
        return Error(ErrorCode::invalid_argument, "--original is for sources of files: name the target");
    std::string path = record.source.substr(scheme.size()), inner;
    std::string_view rest = wanted.path;
    while (!rest.empty()) {
        const std::size_t slash = rest.find('/');
        const std::string name(rest.substr(0, slash));
        rest = slash == std::string_view::npos ? std::string_view{} : rest.substr(slash + 1);
        if (name.empty()) continue;
        HF_TRY(Entry parent, find_entry(chunks, record.root, inner));
        options.parents.push_back({path, std::move(parent.metadata)});
        inner = join_path(inner, name);
        path = (path == "/" ? "" : path) + '/' + name;
    }
    if (entry.metadata.type != EntryType::directory) path = path.substr(0, path.rfind('/'));
    options.target = path.empty() ? "/" : path;
    return {};
}

KeptPlaces places_to_keep(const ResolvedAccess& access, const Repository& repository) {
    KeptPlaces kept;
    for (const std::string& path : own_directories(access)) kept.add(path);
    for (const std::string& path : own_files(access, repository.config().repository))
        kept.add(path);
    return kept;
}

RestoreResponse response_of(RestoreReport report) {
    RestoreResponse response;
    response.files = report.files;
    response.directories = report.directories;
    response.others = report.others;
    response.bytes = report.bytes;
    response.bytes_written = report.written_bytes;
    response.bytes_verified = report.verified_bytes;
    response.unchanged = report.unchanged_files;
    response.removed = report.removed;
    response.removed_paths = std::move(report.removed_paths);
    response.problem_count = report.problem_count;
    response.found_damage = report.found_damage;
    response.problems = std::move(report.problems);
    return response;
}

Result<RestoreReport> restore_to_bucket(const RestoreRequest& request,
                                        const ResolvedAccess& access,
                                        Repository& repository,
                                        const PointInfo& point,
                                        const Entry& entry,
                                        Progress& progress,
                                        std::stop_token stop) {
    HF_TRY(const S3BucketUrl url, parse_s3_bucket_url(*request.target, process_environment()));
    HF_TRY_STATUS(check_outside_repository("the target", url, access));
    if (request.remove_extras || request.verify)
        return Error(ErrorCode::unsupported, "--delete and --verify are for directories, not for buckets");
    BucketRestoreOptions options;
    HF_TRY(options.overwrite, parse_overwrite(request.overwrite));
    if (request.dry_run) options.mode = BucketRestoreOptions::Mode::dry_run;
    if (point.record.source.starts_with(S3BucketUrl::scheme)) options.names = BucketRestoreOptions::Names::of_bucket;
    HF_TRY(const auto client, open_s3_client(url.location, access.storage.ca_file, access.storage.backoff, stop,
                                              access.storage.environment_or_process()));
    return run_bucket_restore(repository, entry, *client, options, progress, std::move(stop));
}

// Into a directory of this machine.
Result<RestoreReport> restore_to_directory(const RestoreRequest& request,
                                           const ResolvedAccess& access,
                                           Repository& repository,
                                           const PointInfo& point,
                                           const Entry& entry,
                                           RestoreOptions& options,
                                           Progress& progress,
                                           std::stop_token stop) {
    HF_TRY_STATUS(check_outside_repository("the target", options.target, access));
    if (request.remove_extras && point.record.stats.skipped != 0)
        return Error(ErrorCode::refused,
                     "restore point " + point.id.hex().substr(0, 12) + " lacks " +
                         std::to_string(point.record.stats.skipped) +
                         " entries that could not be read: --delete would remove them");
    options.kept = places_to_keep(access, repository);
    return run_restore(repository, entry, options, progress, std::move(stop));
}

}  // namespace

Result<RestoreResponse> restore(const RestoreRequest& request,
                                Progress& progress,
                                std::stop_token stop) {
    const TimeNs start = system_clock().monotonic();
    RestoreOptions options;
    HF_TRY(options.overwrite, parse_overwrite(request.overwrite));
    if (request.remove_extras) options.extras = Extras::remove;
    if (request.verify) options.verification = Verification::read_back;
    if (request.dry_run) options.mode = RestoreOptions::Mode::dry_run;
    HF_TRY(const ResolvedAccess access, resolve_access(request.access));
    HF_TRY(const auto repository, open_repository(access));
    const PointPath wanted = parse_point_path(request.point);
    HF_TRY(const PointInfo point,
           select_point(*repository, wanted.point, request.filter, Deleted::hidden));
    HF_TRY(ChunkReader* const chunks, repository->chunks());
    HF_TRY(Entry entry, find_entry(*chunks, point.record.root, wanted.path));
    if (request.target) {
        options.target = *request.target;
    } else {
        HF_TRY_STATUS(find_original_place(*chunks, point.record, wanted, entry, options));
    }
    progress.total_bytes = wanted.path.empty() ? point.record.stats.content_bytes : 0;
    progress.total_files = wanted.path.empty() ? point.record.stats.files : 0;
    const bool is_bucket = options.target.starts_with(S3BucketUrl::scheme);
    HF_TRY(RestoreReport report,
           is_bucket ? restore_to_bucket(request, access, *repository, point, entry, progress, std::move(stop))
                     : restore_to_directory(request, access, *repository, point, entry, options, progress,
                                            std::move(stop)));
    RestoreResponse response = response_of(std::move(report));
    response.restore_point = point.id.hex();
    response.target = options.target;
    response.is_dry_run = request.dry_run;
    response.seconds = static_cast<double>(system_clock().monotonic() - start) / ns_per_second;
    return response;
}

}  // namespace holdfast
