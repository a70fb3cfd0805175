#include "api/restore_operation.h"

#include <charconv>

#include "api/own_places.h"
#include "base/quantity.h"
#include "repository/thaw.h"
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

// What is restored, and where to.
struct Job {
    const RestoreRequest& request;
    const ResolvedAccess& access;
    Repository& repository;
    const PointInfo& point;
    const Entry& entry;
    RestoreOptions options;  // of a bucket: the target alone

    bool is_to_bucket() const { return options.target.starts_with(S3BucketUrl::scheme); }
    bool is_dry() const { return options.mode == RestoreOptions::Mode::dry_run; }
};

Result<RestoreReport> restore_to_bucket(const Job& job, Progress& progress, std::stop_token stop) {
    const RestoreRequest& request = job.request;
    HF_TRY(const S3BucketUrl url, parse_s3_bucket_url(job.options.target, process_environment()));
    HF_TRY_STATUS(check_outside_repository("the target", url, job.access));
    if (request.remove_extras || request.verify)
        return Error(ErrorCode::unsupported, "--delete and --verify are for directories, not for buckets");
    BucketRestoreOptions options;
    options.overwrite = job.options.overwrite;
    options.on_content = job.options.on_content;
    if (job.is_dry()) options.mode = BucketRestoreOptions::Mode::dry_run;
    if (job.point.record.source.starts_with(S3BucketUrl::scheme)) options.names = BucketRestoreOptions::Names::of_bucket;
    const StorageOptions& storage = job.access.storage;
    HF_TRY(const auto client,
           open_s3_client(url.location, storage.ca_file, storage.backoff, stop, storage.environment_or_process(),
                          storage.limits));
    return run_bucket_restore(job.repository, job.entry, *client, options, progress, std::move(stop));
}

// Into a directory of this machine.
Result<RestoreReport> restore_to_directory(const Job& job, Progress& progress, std::stop_token stop) {
    HF_TRY_STATUS(check_outside_repository("the target", job.options.target, job.access));
    const PointInfo& point = job.point;
    if (job.request.remove_extras && point.record.stats.skipped != 0)
        return Error(ErrorCode::refused,
                     "restore point " + point.id.hex().substr(0, 12) + " lacks " +
                         std::to_string(point.record.stats.skipped) +
                         " entries that could not be read: --delete would remove them");
    return run_restore(job.repository, job.entry, job.options, progress, std::move(stop));
}

Result<RestoreReport> carry_out(const Job& job, Progress& progress, std::stop_token stop) {
    return job.is_to_bucket() ? restore_to_bucket(job, progress, std::move(stop))
                              : restore_to_directory(job, progress, std::move(stop));
}

Result<ThawOptions> thaw_options(const RestoreRequest& request) {
    ThawOptions options;
    if (request.thaw == "expedited") options.request.speed = ThawSpeed::expedited;
    else if (request.thaw == "bulk") options.request.speed = ThawSpeed::bulk;
    else if (!request.thaw.empty() && request.thaw != "standard")
        return Error(ErrorCode::invalid_argument, "--thaw is expedited, standard or bulk, not '" + request.thaw + "'");
    const char* const end = request.thaw_days.data() + request.thaw_days.size();
    const auto [rest, error] = std::from_chars(request.thaw_days.data(), end, options.request.days);
    if (error != std::errc() || rest != end || options.request.days == 0 || options.request.days > 365)
        return Error(ErrorCode::invalid_argument, "--thaw-days: 1 to 365, not '" + request.thaw_days + "'");
    HF_TRY(options.longest_pause, parse_duration(request.thaw_poll));
    return options;
}

// A dry run that finds out which packs the restore takes.
struct Needs {
    RestoreReport report;
    PackSizes packs;
};
Result<Needs> find_needs(const Job& job, const std::stop_token& stop) {
    Needs needs;
    HF_TRY(const Index* const index, job.repository.index());
    HF_TRY(ChunkReader* const chunks, job.repository.chunks());
    Job dry = job;
    dry.options.mode = RestoreOptions::Mode::dry_run;
    dry.options.on_content = [&](const Entry& file) { return add_packs_of(file, *chunks, *index, needs.packs); };
    Progress unseen;
    HF_TRY(needs.report, carry_out(dry, unseen, stop));
    return needs;
}

Error not_readable(const ThawPlan& plan) {
    const auto text = [](const ThawPlan::Sum& sum) {
        return std::to_string(sum.packs) + " packs (" + std::to_string(sum.bytes) + " bytes)";
    };
    return {ErrorCode::frozen,
            "of " + text(plan.all) + " that it needs, " + text(plan.frozen) + " are frozen in an archive class, and " +
                text(plan.thawing) + " are being thawed: the same command with --thaw asks for them, waits and restores; " +
                "with --plan it says more. Nothing was written"};
}

// Where packs may be frozen, which is known without a request, or where it was asked for: nothing is written before all
// can be read. Null when there is nothing to thaw.
Result<std::unique_ptr<Thaw>> make_readable(const Job& job, Progress& progress, const std::stop_token& stop) {
    ColdTier* const tier = job.repository.storage().cold_tier();
    const bool is_asked = !job.request.thaw.empty();
    if (job.is_dry() || tier == nullptr || (!is_asked && !tier->may_be_frozen())) return std::unique_ptr<Thaw>();
    HF_TRY(const ThawOptions options, thaw_options(job.request));
    HF_TRY(Needs needs, find_needs(job, stop));
    auto thaw = std::make_unique<Thaw>(tier, std::move(needs.packs), options, system_clock(), system_random(), progress, stop);
    if (is_asked) {
        HF_TRY_STATUS(thaw->wait());
        return thaw;
    }
    HF_TRY_STATUS(thaw->look());
    const ThawPlan plan = thaw->plan();
    if (plan.unreadable().packs != 0) return not_readable(plan);
    return std::unique_ptr<Thaw>();
}

Result<RestoreResponse> plan_only(const Job& job, Progress& progress, const std::stop_token& stop) {
    HF_TRY(const ThawOptions options, thaw_options(job.request));
    HF_TRY(Needs needs, find_needs(job, stop));
    Thaw thaw(job.repository.storage().cold_tier(), std::move(needs.packs), options, system_clock(), system_random(),
              progress, stop);
    HF_TRY_STATUS(thaw.look());
    RestoreResponse response = response_of(std::move(needs.report));
    if (!job.request.thaw.empty()) {
        HF_TRY(response.asked_packs, thaw.ask());
    }
    response.plan = thaw.plan();
    return response;
}

Result<RestoreResponse> restore_now(const Job& job, Progress& progress, const std::stop_token& stop) {
    HF_TRY(const auto thaw, make_readable(job, progress, stop));
    HF_TRY(ChunkReader* const chunks, job.repository.chunks());
    // A copy may expire before it has been read.
    if (thaw) chunks->on_frozen = [&thaw](const std::string& name) { return thaw->wait_for(name); };
    auto report = carry_out(job, progress, stop);
    chunks->on_frozen = nullptr;
    HF_TRY(RestoreReport done, std::move(report));
    return response_of(std::move(done));
}

}  // namespace

Result<RestoreResponse> restore(const RestoreRequest& request,
                                Progress& progress,
                                std::stop_token stop) {
    const TimeNs start = system_clock().monotonic();
    RestoreOptions options;
    HF_TRY(options.overwrite, parse_overwrite(request.overwrite));
    HF_TRY_STATUS(thaw_options(request));
    if (request.remove_extras) options.extras = Extras::remove;
    if (request.verify) options.verification = Verification::read_back;
    if (request.dry_run) options.mode = RestoreOptions::Mode::dry_run;
    HF_TRY(const ResolvedAccess access, resolve_access(request.access));
    HF_TRY(const auto repository, open_to_read_point(access));
    const PointPath wanted = parse_point_path(request.point);
    HF_TRY(const PointInfo point,
           select_point_to_read(*repository, wanted.point, request.filter));
    HF_TRY(ChunkReader* const chunks, repository->chunks());
    HF_TRY(const Entry entry, find_entry(*chunks, point.record.root, wanted.path));
    if (request.target) {
        options.target = *request.target;
    } else {
        HF_TRY_STATUS(find_original_place(*chunks, point.record, wanted, entry, options));
    }
    options.kept = places_to_keep(access, *repository);
    progress.total_bytes = wanted.path.empty() ? point.record.stats.content_bytes : 0;
    progress.total_files = wanted.path.empty() ? point.record.stats.files : 0;
    const Job job{request, access, *repository, point, entry, std::move(options)};
    HF_TRY(RestoreResponse response,
           request.plan ? plan_only(job, progress, stop) : restore_now(job, progress, stop));
    response.restore_point = point.id.hex();
    response.target = job.options.target;
    response.is_dry_run = request.dry_run;
    response.seconds = static_cast<double>(system_clock().monotonic() - start) / ns_per_second;
    return response;
}

}  // namespace holdfast
