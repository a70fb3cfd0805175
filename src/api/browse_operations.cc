#include "api/browse_operations.h"

#include <fnmatch.h>

#include <algorithm>

#include "repository/check.h"
#include "repository/tree_reader.h"
#include "source/files/files_source.h"

namespace holdfast {
namespace {

PointSummary summary_of(PointInfo point) {
    return {point.id.hex(), std::move(point.record), point.is_deleted, point.is_held,
            point.is_damaged};
}

Result<std::unique_ptr<Repository>> open(const AccessRequest& request) {
    HF_TRY(const ResolvedAccess access, resolve_access(request));
    return open_repository(access);
}

std::string join(const std::string& directory, const std::string& name) {
    return directory.empty() ? name : directory + '/' + name;
}

Status visit_below(ChunkReader& chunks,
                   const Entry& directory,
                   const std::string& path,
                   Recursion recursion,
                   const EntryVisitor& visit) {
    if (directory.metadata.type != EntryType::directory) return {};
    return for_each_entry(chunks, directory, [&](const Entry& child) -> Status {
        const std::string child_path = join(path, child.name);
        HF_TRY_STATUS(visit(child_path, child));
        if (recursion == Recursion::children) return {};
        return visit_below(chunks, child, child_path, recursion, visit);
    });
}

}  // namespace

Result<std::vector<PointSummary>> list(const ListRequest& request) {
    HF_TRY(const auto repository, open(request.access));
    HF_TRY(auto points,
           list_points(*repository, request.filter,
                       request.show_deleted ? Deleted::shown : Deleted::hidden));
    std::vector<PointSummary> summaries;
    for (PointInfo& point : points) summaries.push_back(summary_of(std::move(point)));
    return summaries;
}

Result<PointSummary> show(const PointRequest& request) {
    HF_TRY(const auto repository, open(request.access));
    HF_TRY(PointInfo point, select_point(*repository, parse_point_path(request.point).point,
                                         request.filter,
                                         parse_point_path(request.point).point == "latest"
                                             ? Deleted::hidden
                                             : Deleted::shown));
    return summary_of(std::move(point));
}

Status ls(const PointRequest& request, Recursion recursion, const EntryVisitor& visit) {
    HF_TRY(const auto repository, open(request.access));
    const PointPath wanted = parse_point_path(request.point);
    HF_TRY(const PointInfo point,
           select_point(*repository, wanted.point, request.filter, Deleted::hidden));
    HF_TRY(ChunkReader* const chunks, repository->chunks());
    HF_TRY(const Entry entry, find_entry(*chunks, point.record.root, wanted.path));
    if (entry.metadata.type != EntryType::directory)
        return visit(wanted.path.empty() ? entry.name : wanted.path, entry);
    return visit_below(*chunks, entry, wanted.path, recursion, visit);
}

Status find(const FindRequest& request,
            const std::function<Status(const PointSummary&, const std::string&, const Entry&)>&
                visit) {
    HF_TRY(const auto repository, open(request.access));
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
        HF_TRY_STATUS(visit_below(*chunks, root, "", Recursion::all, match));
    }
    return {};
}

namespace {

using DiffVisitor = std::function<Status(Change, const std::string&, const Entry&)>;

// The leaves of one side's directory, entry by entry.
class EntryStream {
  public:
    static Result<EntryStream> open(ChunkReader& chunks, const Entry* directory) {
        EntryStream stream;
        if (directory == nullptr) return stream;
        if (const auto* list = std::get_if<InlineDirectory>(&directory->content)) {
            stream.entries_ = &list->entries;
        } else if (const auto* tree = std::get_if<DirectoryTree>(&directory->content)) {
            HF_TRY(stream.cursor_, DirectoryCursor::open(chunks, tree->root));
        }
        return stream;
    }
    // The entry at hand, or null at the end.
    Result<const Entry*> peek() {
        while (entries_ == nullptr || next_ == entries_->size()) {
            if (!cursor_) return static_cast<const Entry*>(nullptr);
            HF_TRY(leaf_, cursor_->next());
            if (!leaf_) return cursor_.reset(), entries_ = nullptr, static_cast<const Entry*>(nullptr);
            entries_ = &leaf_->entries;
            next_ = 0;
        }
        return &(*entries_)[next_];
    }
    void advance() { ++next_; }

  private:
    std::optional<DirectoryCursor> cursor_;
    std::shared_ptr<DirectoryLeaf> leaf_;
    const std::vector<Entry>* entries_ = nullptr;
    std::size_t next_ = 0;
};

// What a user calls the same: times of reading and numbers of inodes do not count.
bool same_metadata(Metadata a, Metadata b) {
    a.ctime = b.ctime;
    a.inode = b.inode;
    a.file_system = b.file_system;
    return a == b;
}

class Differ {
  public:
    Differ(ChunkReader& chunks, const DiffVisitor& visit) : chunks_(chunks), visit_(visit) {}

    Status directories(const Entry* a, const Entry* b, const std::string& path) {
        if (a != nullptr && b != nullptr && a->content == b->content) return {};
        HF_TRY(EntryStream left, EntryStream::open(chunks_, a));
        HF_TRY(EntryStream right, EntryStream::open(chunks_, b));
        for (;;) {
            HF_TRY(const Entry* const l, left.peek());
            HF_TRY(const Entry* const r, right.peek());
            if (l == nullptr && r == nullptr) return {};
            const int order = l == nullptr ? 1 : r == nullptr ? -1 : l->name.compare(r->name);
            HF_TRY_STATUS(pair(order <= 0 ? l : nullptr, order >= 0 ? r : nullptr, path));
            if (order <= 0) left.advance();
            if (order >= 0) right.advance();
        }
    }

  private:
    Status pair(const Entry* a, const Entry* b, const std::string& directory) {
        const std::string path = join(directory, a != nullptr ? a->name : b->name);
        const auto is_directory = [](const Entry* e) {
            return e != nullptr && e->metadata.type == EntryType::directory;
        };
        if (a == nullptr) HF_TRY_STATUS(visit_(Change::added, path, *b));
        else if (b == nullptr) HF_TRY_STATUS(visit_(Change::removed, path, *a));
        else if (a->metadata.type != b->metadata.type ||
                 (!is_directory(a) && a->content != b->content))
            HF_TRY_STATUS(visit_(Change::modified, path, *b));
        else if (!same_metadata(a->metadata, b->metadata))
            HF_TRY_STATUS(visit_(Change::metadata_only, path, *b));
        if (!is_directory(a) && !is_directory(b)) return {};
        return directories(is_directory(a) ? a : nullptr, is_directory(b) ? b : nullptr, path);
    }

    ChunkReader& chunks_;
    const DiffVisitor& visit_;
};

// The live tree against a point: by metadata, as an incremental backup would see it.
class LiveDiffer {
  public:
    LiveDiffer(ChunkReader& chunks, const DiffVisitor& visit) : chunks_(chunks), visit_(visit) {}

    Status run(const Entry& root, Source& source) {
        HF_TRY(const auto stream, source.walk());
        for (;;) {
            std::vector<SourceEvent> batch;
            HF_TRY_STATUS(stream->next(batch));
            if (batch.empty()) return {};
            for (SourceEvent& event : batch) {
                if (event.metadata.type == EntryType::symlink)
                    (void)source.complete(event, event.metadata).ok();
                HF_TRY_STATUS(handle(root, event));
            }
        }
    }

  private:
    struct Level {
        std::string path;
        std::unique_ptr<Entry> before;  // owns what `stream` reads of
        EntryStream stream;
    };

    Status handle(const Entry& root, const SourceEvent& event) {
        if (event.kind == SourceEventKind::problem) return {};
        if (event.kind == SourceEventKind::leave) {
            HF_TRY_STATUS(removed_until(nullptr));
            levels_.pop_back();
            return {};
        }
        std::unique_ptr<Entry> before;
        std::string path;
        if (levels_.empty()) {
            before = std::make_unique<Entry>(root);
        } else {
            path = join(levels_.back().path, event.name);
            HF_TRY_STATUS(removed_until(&event.name));
            HF_TRY(const Entry* const found, levels_.back().stream.peek());
            if (found != nullptr && found->name == event.name) {
                before = std::make_unique<Entry>(*found);
                levels_.back().stream.advance();
            }
            HF_TRY_STATUS(compare(before.get(), event, path));
        }
        if (event.kind != SourceEventKind::enter) return {};
        if (before && before->metadata.type != EntryType::directory) before.reset();
        HF_TRY(EntryStream stream, EntryStream::open(chunks_, before.get()));
        levels_.push_back({path, std::move(before), std::move(stream)});
        return {};
    }

    Status compare(const Entry* before, const SourceEvent& event, const std::string& path) {
        const Metadata& now = event.metadata;
        const Entry shown{event.name, now, NoContent{}};
        if (before == nullptr) return visit_(Change::added, path, shown);
        const Metadata& then = before->metadata;
        const bool is_directory = now.type == EntryType::directory;
        if (now.type != then.type ||
            now.target != then.target ||
            (!is_directory && (now.size != then.size || now.mtime != then.mtime)))
            return visit_(Change::modified, path, shown);
        if (now.mode != then.mode || now.uid != then.uid || now.gid != then.gid ||
            now.mtime != then.mtime)
            return visit_(Change::metadata_only, path, shown);
        return {};
    }

    // Entries of the point that the live directory does not have, up to `name`.
    Status removed_until(const std::string* name) {
        Level& level = levels_.back();
        for (;;) {
            HF_TRY(const Entry* const entry, level.stream.peek());
            if (entry == nullptr || (name != nullptr && entry->name >= *name)) return {};
            const std::string path = join(level.path, entry->name);
            HF_TRY_STATUS(visit_(Change::removed, path, *entry));
            HF_TRY_STATUS(visit_below(chunks_, *entry, path, Recursion::all,
                                      [this](const std::string& below, const Entry& child) {
                                          return visit_(Change::removed, below, child);
                                      }));
            level.stream.advance();
        }
    }

    ChunkReader& chunks_;
    const DiffVisitor& visit_;
    std::vector<Level> levels_;
};

}  // namespace

Status diff(const DiffRequest& request, const DiffVisitor& visit) {
    HF_TRY(const auto repository, open(request.access));
    const PointPath first_path = parse_point_path(request.first);
    HF_TRY(const PointInfo first,
           select_point(*repository, first_path.point, request.filter, Deleted::hidden));
    HF_TRY(ChunkReader* const chunks, repository->chunks());
    HF_TRY(const Entry a, find_entry(*chunks, first.record.root, first_path.path));
    if (request.second.empty()) {
        constexpr std::string_view scheme = "files:";
        if (!first.record.source.starts_with(scheme))
            return Error(ErrorCode::unsupported, "--live is for sources of files");
        std::string root = first.record.source.substr(scheme.size());
        if (!first_path.path.empty()) root += '/' + first_path.path;
        HF_TRY(const auto source, FilesSource::open_root(root, FilesOptions()));
        return LiveDiffer(*chunks, visit).run(a, *source);
    }
    const PointPath second_path = parse_point_path(request.second);
    HF_TRY(const PointInfo second,
           select_point(*repository, second_path.point, request.filter, Deleted::hidden));
    HF_TRY(const Entry b, find_entry(*chunks, second.record.root, second_path.path));
    return Differ(*chunks, visit).directories(&a, &b, "");
}

Status cat(const PointRequest& request, const std::function<Status(ByteSpan)>& write) {
    HF_TRY(const auto repository, open(request.access));
    const PointPath wanted = parse_point_path(request.point);
    HF_TRY(const PointInfo point,
           select_point(*repository, wanted.point, request.filter, Deleted::hidden));
    HF_TRY(ChunkReader* const chunks, repository->chunks());
    HF_TRY(const Entry entry, find_entry(*chunks, point.record.root, wanted.path));
    if (entry.metadata.type != EntryType::file)
        return Error(ErrorCode::invalid_argument, request.point + ": not a file");
    if (const auto* content = std::get_if<InlineContent>(&entry.content))
        return write(content->data);
    ChunkId last{};
    Bytes chunk;
    return for_each_run(*chunks, entry, [&](const Run& run) -> Status {
        if (run.kind == RunKind::data) {
            if (run.chunk != last || chunk.empty()) {
                HF_TRY(chunk, chunks->read(run.chunk, ChunkPurpose::data));
                last = run.chunk;
            }
            if (run.chunk_offset + run.bytes > chunk.size())
                return Error(ErrorCode::corrupt, "a run beyond its chunk's end");
            return write(
                ByteSpan(chunk).subspan(run.chunk_offset, static_cast<std::size_t>(run.bytes)));
        }
        static const Bytes zeros(65536);
        for (std::uint64_t done = 0; done < run.bytes; done += zeros.size())
            HF_TRY_STATUS(write(ByteSpan(zeros).first(static_cast<std::size_t>(
                std::min<std::uint64_t>(zeros.size(), run.bytes - done)))));
        return {};
    });
}

Result<UsageResponse> usage(const AccessRequest& access) {
    HF_TRY(const auto repository, open(access));
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

Result<CheckResponse> check(const CheckRequest& request, Progress& progress, std::stop_token stop) {
    const TimeNs start = system_clock().monotonic();
    HF_TRY(const auto repository, open(request.access));
    HF_TRY(CheckReport report,
           run_check(*repository, request.read_data ? CheckDepth::data : CheckDepth::structure, 2,
                     progress, std::move(stop)));
    CheckResponse response;
    response.objects = report.objects;
    response.chunks = report.chunks;
    response.points = report.points;
    response.bytes_read = report.read_bytes;
    response.problem_count = report.problem_count;
    response.problems = std::move(report.problems);
    response.damaged_points = std::move(report.damaged_points);
    response.seconds = static_cast<double>(system_clock().monotonic() - start) / ns_per_second;
    return response;
}

}  // namespace holdfast
