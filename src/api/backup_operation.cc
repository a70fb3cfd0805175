#include "api/backup_operation.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "api/option_file.h"
#include "api/own_places.h"
#include "api/point_selection.h"
#include "api/version.h"
#include "backup/backup.h"
#include "base/file_io.h"
#include "s3/bucket.h"
#include "source/bucket/bucket_source.h"
#include "source/files/files_source.h"
#include "source/generated/generated_source.h"
#include "source/stream/stream_source.h"
#include "storage/memory/memory_storage.h"

namespace holdfast {
namespace {

struct ResolvedSource {
    std::string url;
    std::string name;
    std::unique_ptr<Source> source;  // of files: not before open_files()
    std::string root;                // the rest: of files only
    FilesOptions options;
};

Result<std::string> absolute_path(const std::string& path) {
    if (path.empty()) return Error(ErrorCode::invalid_argument, "an empty path as a source");
    char* resolved = ::realpath(path.c_str(), nullptr);
    if (resolved == nullptr) return Error::from_errno(errno, path);
    std::string result(resolved);
    std::free(resolved);
    return result;
}

Result<CompressionLevel> parse_compression(const std::string& name) {
    if (name == "fast") return CompressionLevel::fast;
    if (name == "standard") return CompressionLevel::standard;
    if (name == "small") return CompressionLevel::small;
    return Error(ErrorCode::invalid_argument,
                 "no compression '" + name + "' (fast, standard, small)");
}

// A path of a list, relative to the source's root; empty: the root itself.
Result<std::string> path_below(std::string_view name, const std::string& root) {
    const Error outside(ErrorCode::invalid_argument,
                        std::string(name) + ": not below the source " + root);
    if (name.starts_with('/')) {
        // "/" is the only root that ends in a slash.
        const bool is_below = name.starts_with(root) &&
                              (root == "/" || name.size() == root.size() || name[root.size()] == '/');
        if (!is_below) return outside;
        name.remove_prefix(root.size());
    }
    std::string path;
    while (!name.empty()) {
        const std::size_t slash = name.find('/');
        const std::string_view part = name.substr(0, slash);
        name = slash == std::string_view::npos ? std::string_view{} : name.substr(slash + 1);
        if (part.empty() || part == ".") continue;
        if (part == "..") return outside;
        if (!path.empty()) path += '/';
        path += part;
    }
    return path;
}

// Nothing when the list names the root itself: then it is the whole source.
Result<std::optional<std::vector<std::string>>> read_files_from0(const std::string& path,
                                                                 const std::string& root) {
    HF_TRY(const Bytes data, path == "-" ? read_stream(STDIN_FILENO, 1u << 30)
                                         : read_option_file(path, 1u << 30));
    std::vector<std::string> names;
    bool is_whole = false;
    std::string_view rest = as_text(data);
    while (!rest.empty()) {
        const std::size_t end = rest.find('\0');
        const std::string_view one = rest.substr(0, end);
        rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
        if (one.empty()) continue;
        HF_TRY(std::string name, path_below(one, root));
        if (name.empty()) is_whole = true;
        else names.push_back(std::move(name));
    }
    if (is_whole) return std::optional<std::vector<std::string>>();
    if (names.empty())
        return Error(ErrorCode::invalid_argument, "the list of --files-from0 is empty");
    return std::optional(std::move(names));
}

Result<ResolvedSource> resolve_files(const BackupRequest& request,
                                     const ResolvedAccess& access,
                                     const std::string& source) {
    constexpr std::string_view scheme = "files:";
    const std::string path = source.starts_with(scheme) ? source.substr(scheme.size()) : source;
    const std::size_t colon = source.find(':');
    if (!source.starts_with(scheme) && colon != std::string::npos && colon > 1 &&
        source.find('/') > colon && ::access(source.c_str(), F_OK) != 0)
        return Error(ErrorCode::invalid_argument,
                     "no source of this kind: '" + source.substr(0, colon + 1) +
                         "' (a path, files:PATH, or s3://BUCKET)");
    HF_TRY(const std::string root, absolute_path(path));
    HF_TRY(FilesOptions options, files_options(request.exclude, root));
    if (request.files_from0) {
        HF_TRY(options.only, read_files_from0(*request.files_from0, root));
    }
    HF_TRY_STATUS(check_outside_repository("the source", root, access));
    return ResolvedSource{"files:" + root, root, nullptr, root, std::move(options)};
}

Result<ResolvedSource> resolve_bucket(const BackupRequest& request,
                                      const ResolvedAccess& access,
                                      const std::string& source) {
    if (request.exclude != ExcludeRequest() || request.files_from0)
        return Error(ErrorCode::invalid_argument, "a bucket is backed up whole, or below a prefix: nothing of it is excluded");
    HF_TRY(const S3BucketUrl url, parse_s3_bucket_url(source, process_environment()));
    HF_TRY_STATUS(check_outside_repository("the source", url, access));
    HF_TRY(auto client,
           open_s3_client(url.location, access.storage.ca_file, access.storage.backoff, access.storage.stop,
                          access.storage.environment_or_process(), access.storage.limits));
    const auto versions = url.has_all_versions ? ObjectVersions::all : ObjectVersions::current;
    return ResolvedSource{source, url.name(), std::make_unique<BucketSource>(std::move(client), versions), {}, {}};
}

// The places that are left out must exist by now, to be known.
Status open_files(const ResolvedAccess& access, ResolvedSource& source) {
    leave_out_own_places(access, source.options);
    HF_TRY(source.source, FilesSource::open_root(source.root, std::move(source.options)));
    return {};
}

// Finds all that is wrong with a request, so that nothing is made for a backup that cannot begin.
Result<std::vector<ResolvedSource>> resolve_sources(const BackupRequest& request,
                                                    const ResolvedAccess& access) {
    std::vector<ResolvedSource> sources;
    if (request.stdin_name || !request.stdin_command.empty()) {
        if (!request.sources.empty())
            return Error(ErrorCode::invalid_argument, "a stream and paths cannot be one backup");
        const std::string name = request.stdin_name.value_or("stdin");
        if (!is_valid_name(name))
            return Error(ErrorCode::invalid_argument, "not a file name: '" + name + "'");
        sources.push_back({"stream:" + name, "stream:" + name,
                           std::make_unique<StreamSource>(name, request.stdin_command), {}, {}});
        return sources;
    }
    if (request.sources.empty())
        return Error(ErrorCode::invalid_argument, "nothing to back up: name a path");
    if (request.name && request.sources.size() > 1)
        return Error(ErrorCode::invalid_argument, "--name is for one source");
    if (request.files_from0 && request.sources.size() > 1)
        return Error(ErrorCode::invalid_argument, "--files-from0 is for one source");
    for (const std::string& source : request.sources) {
        constexpr std::string_view generated = "generated:";
        if (source.starts_with(generated)) {
            HF_TRY(const GeneratedTree tree,
                   GeneratedTree::parse(std::string_view(source).substr(generated.size())));
            sources.push_back({source, "generated", std::make_unique<GeneratedSource>(tree), {}, {}});
            continue;
        }
        if (source.starts_with(S3BucketUrl::scheme)) {
            HF_TRY(ResolvedSource bucket, resolve_bucket(request, access, source));
            sources.push_back(std::move(bucket));
            continue;
        }
        HF_TRY(ResolvedSource resolved, resolve_files(request, access, source));
        sources.push_back(std::move(resolved));
    }
    return sources;
}

// Stands for the embedded repository before there is one: everything would be new.
Result<std::unique_ptr<Repository>> empty_repository() {
    auto storage = std::make_unique<MemoryStorage>();
    Random& random = system_random();
    HF_TRY(const Repository::NewKeys keys,
           Repository::init(*storage, nullptr, std::nullopt, Repository::keep_nothing, system_clock(), random));
    Unlock unlock;
    unlock.key_file = keys.key_file;
    return Repository::open(std::move(storage), unlock, "", system_clock(), random);
}

// Opens the repository; makes the embedded one at the first backup.
Result<std::unique_ptr<Repository>> open_or_create(const ResolvedAccess& access,
                                                   const BackupRequest& request,
                                                   BackupResponse& response) {
    auto repository = open_repository(access);
    if (repository.ok() || repository.error().code() != ErrorCode::not_found ||
        !access.is_default)
        return repository;
    if (request.dry_run) return empty_repository();
    HF_TRY(response.created, init_repository(access, std::nullopt, {}));
    if (request.on_created) request.on_created(*response.created);
    return open_repository(access);
}

// A full disk is no reason to begin again.
Error kept_for_later(Error error) {
    if (error.code() != ErrorCode::out_of_space) return error;
    return {error.code(), error.describe() + "; what was stored so far is kept for the next backup"};
}

// What is empty cannot be chosen by later.
Status check_identity(const BackupRequest& request) {
    if ((request.host && request.host->empty()) || (request.name && request.name->empty()) ||
        std::find(request.tags.begin(), request.tags.end(), "") != request.tags.end())
        return Error(ErrorCode::invalid_argument, "a host, name or tag is empty");
    return {};
}

}  // namespace

Status backup(const BackupRequest& request,
              BackupResponse& response,
              Progress& progress,
              std::stop_token stop) {
    BackupOptions options;
    HF_TRY_STATUS(check_identity(request));
    HF_TRY(const ResolvedAccess access, resolve_access(request.access));
    HF_TRY(options.compression, parse_compression(request.compression));
    const auto type = backup_type_from_name(request.type);
    if (!type || *type == BackupType::synthetic_full)
        return Error(ErrorCode::invalid_argument,
                     "no backup type '" + request.type + "' (full, incremental, differential)");
    HF_TRY(std::vector<ResolvedSource> sources, resolve_sources(request, access));
    HF_TRY(const std::unique_ptr<Repository> repository,
           open_or_create(access, request, response));
    if (!request.dry_run) (void)make_directories(access.cache_directory, 0700).ok();
    for (ResolvedSource& source : sources)
        if (!source.source) HF_TRY_STATUS(open_files(access, source));
    response.repository = repository->storage().description();
    options.type = *type;
    options.host = request.host.value_or(this_host());
    options.tags = request.tags;
    options.time = request.time;
    options.program = std::string("holdfast ") + version_text();
    options.mode = request.dry_run ? BackupOptions::Mode::dry_run : BackupOptions::Mode::store;
    // A stream is read once, and ends when it ends.
    const bool is_stream = request.stdin_name || !request.stdin_command.empty();
    if (request.shows_progress && !is_stream) options.estimate = BackupOptions::Estimate::walk;
    for (ResolvedSource& source : sources) {
        options.source_url = source.url;
        options.name = request.name.value_or(source.name);
        const TimeNs start = system_clock().monotonic();
        auto report = run_backup(*repository, *source.source, options, progress, stop);
        if (!report.ok())
            return kept_for_later(std::move(report).error()).with_context("backing up " + source.name);
        BackupSourceResponse& one = response.sources.emplace_back();
        one.source = source.url;
        one.host = options.host;
        one.name = options.name;
        if (!request.dry_run) one.restore_point = report->point.hex();
        one.type = backup_type_name(report->type);
        one.is_partial = report->is_partial;
        one.files = report->stats.files;
        one.directories = report->stats.directories;
        one.bytes_scanned = report->stats.content_bytes;
        one.bytes_read = report->stats.read_bytes;
        one.bytes_again = report->again_bytes;
        one.bytes_added = report->stored_bytes;
        one.skipped = report->problem_count;
        one.problems = std::move(report->problems);
        one.seconds = static_cast<double>(system_clock().monotonic() - start) / ns_per_second;
        if (report->is_partial)
            return Error(ErrorCode::cancelled,
                         "interrupted: what was stored is kept, the next backup goes on from there");
    }
    return {};
}

}  // namespace holdfast
