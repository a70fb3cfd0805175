#include "restore/restore.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <deque>

#include "base/descriptor_limit.h"
#include "base/disk_map.h"
#include "base/file_io.h"
#include "base/worker_pool.h"
#include "repository/tree_reader.h"
#include "restore/background_sync.h"
#include "restore/extras_remover.h"
#include "restore/last_pass.h"
#include "restore/piece.h"
#include "restore/target_directory.h"

namespace holdfast {
namespace {

// A window: what is sorted by place in the repository before it is fetched. 100 bytes a piece and 600 a file; a
// directory keeps a descriptor. One is filled while the others are fetched: the later ones give threads work that the
// last tasks of the first one leave idle. 80,000 files from far away, 30 ms for each request: 5.0 s with one, 3.3 s with two,
// 2.7 s with four of them under way. In all at most 16 MiB.
constexpr std::size_t window_pieces = 8192, window_files = 4096, most_directories = 300;
constexpr std::size_t most_fetching = 4;
constexpr std::size_t other_descriptors = 200;  // what else is open: files that are written, connections

std::size_t directories_of_a_window() {
    constexpr std::size_t windows = most_fetching + 1;
    const std::size_t limit = raise_descriptor_limit(windows * most_directories + other_descriptors);
    return std::clamp<std::size_t>((std::max(limit, other_descriptors) - other_descriptors) / windows, 1, most_directories);
}

// All of the windows, so that nobody waits for room: a task that waits holds 64 bytes.
constexpr std::size_t queued_tasks = most_fetching * (window_pieces + window_files);
constexpr std::size_t max_reported_problems = 1000;
// Small files that are written by one task.
constexpr std::size_t files_a_task = 64;

std::size_t threads_for(Repository& repository, const RestoreOptions& options) {
    return repository.storage().traits().is_remote ? remote_threads : options.threads;
}

bool is_empty(const Content& directory) {
    const auto* list = std::get_if<InlineDirectory>(&directory);
    return std::holds_alternative<NoContent>(directory) || (list != nullptr && list->entries.empty());
}

// The state of one restore. The tree is walked for directories and files; then, when all contents are there, as much of it
// once more as has something left to be made.
class Restore {
  public:
    Restore(Repository& repository,
            const RestoreOptions& options,
            Progress& progress,
            std::stop_token stop)
        : repository_(repository),
          options_(options),
          progress_(progress),
          stop_(std::move(stop)),
          pool_(threads_for(repository, options), queued_tasks) {}

    Result<RestoreReport> run(const Entry& entry);

  private:
    Status check_target(const Entry& entry);
    Status open_target(const Entry& entry);
    void report_removed();
    Status make_parents();
    void finish_parents();
    Status write(const Entry& entry);
    Status walk(const Entry& entry);
    Status first_pass(const std::shared_ptr<TargetDirectory>& directory, const Entry& entry);
    Status first_pass_entry(const std::shared_ptr<TargetDirectory>& directory, const Entry& entry);
    Status first_pass_directory(const std::shared_ptr<TargetDirectory>& above, const Entry& entry);
    void finish_when_released(TargetDirectory& directory, const Entry& entry);
    Status add_file(const std::shared_ptr<TargetDirectory>& directory, const Entry& entry);
    enum class Present { give_metadata, leave };
    void take_present(FileWriter& file, Present mode);
    Status add_runs(const std::shared_ptr<FileWriter>& file);
    bool is_foreign(const TargetDirectory& directory, const Entry& entry) const;
    template <typename Work>
    Status within(const TargetDirectory* directory, const Entry& entry, Work work);
    Status count_only(const std::shared_ptr<TargetDirectory>& directory, const Entry& entry);
    Status count_directory(const std::shared_ptr<TargetDirectory>& directory, const Entry& entry);

    Status flush_window();
    Status finish_windows();
    void fetch(std::span<const Piece> pieces);
    void write_chunk(std::span<const Piece> pieces, Result<ChunkContent> content);
    void write_plain(std::span<const std::shared_ptr<FileWriter>> files);
    void count_bytes(std::uint64_t written, std::uint64_t compared);
    void finish_piece(FileWriter& file);
    void problem(const Error& error);
    void file_problem(FileWriter& file, const Error& error);
    void entry_problem(const std::string& path, const Error& error);
    bool has_failed(const std::string& path) const;
    Status fatal() const;

    Repository& repository_;
    const RestoreOptions& options_;
    Progress& progress_;
    const std::stop_token stop_;
    ChunkReader* chunks_ = nullptr;
    Index* index_ = nullptr;
    std::shared_ptr<TargetDirectory> root_;
    std::vector<std::pair<UniqueFd, const ParentDirectory*>> made_parents_;
    std::optional<BackgroundSync> sync_;

    // Before the windows, whose directories tell of problems when they are released.
    mutable std::mutex mutex_;  // guards these three
    RestoreReport report_;
    std::optional<Error> fatal_;
    DiskMap failed_;  // by path_key()

    FileWriter::Purpose purpose_ = FileWriter::Purpose::write;
    struct Window {
        std::vector<Piece> pieces;
        std::vector<std::shared_ptr<FileWriter>> plain_files;  // inline or empty
        std::size_t unfinished = 0;                            // tasks
    };
    std::unique_ptr<Window> window_ = std::make_unique<Window>();  // is filled
    std::deque<std::unique_ptr<Window>> fetching_;                 // their tasks are queued; at most most_fetching
    std::mutex unfinished_mutex_;  // guards Window::unfinished
    std::condition_variable task_finished_;
    const std::size_t window_directories_ = directories_of_a_window();
    std::size_t window_file_count_ = 0, window_directory_count_ = 0;
    std::optional<LastPass> last_pass_;
    // Whether the last pass has something to make in the open directory or below it.
    bool is_left_ = false;
    // Of the open directory: its path below the target, with a trailing slash or empty; its file
    // system in the restore point; whether what it has and the point has not is removed.
    std::string path_;
    std::uint32_t file_system_ = 0;
    bool removes_extras_ = false;
    std::optional<ExtrasRemover> extras_;

    WorkerPool pool_;
};

void Restore::problem(const Error& error) {
    std::lock_guard lock(mutex_);
    // A full disk ends the restore, and what is frozen does; anything else is one file's problem.
    const bool is_end = error.code() == ErrorCode::out_of_space || error.code() == ErrorCode::frozen;
    if (is_end && !fatal_) fatal_ = error;
    ++report_.problem_count;
    if (error.code() == ErrorCode::corrupt || error.code() == ErrorCode::not_found)
        report_.found_damage = true;
    ++progress_.problems;
    if (report_.problems.size() < max_reported_problems)
        report_.problems.push_back(error.describe());
}

void Restore::file_problem(FileWriter& file, const Error& error) {
    if (file.fail())
        entry_problem(file.path(), Error(error).with_context("restoring " + file.path()));
}

// What was not restored: it is told once, and neither linked to nor read back.
void Restore::entry_problem(const std::string& path, const Error& error) {
    problem(error);
    std::lock_guard lock(mutex_);
    const auto noted = failed_.insert(path_key(path), {});
    if (!noted.ok() && !fatal_) fatal_ = noted.error();
}

bool Restore::has_failed(const std::string& path) const {
    std::lock_guard lock(mutex_);
    if (failed_.size() == 0) return false;
    const auto found = failed_.find(path_key(path));
    return found.ok() && found->has_value();
}

Status Restore::fatal() const {
    if (stop_.stop_requested())
        return Error(ErrorCode::cancelled,
                     "interrupted; `restore --overwrite changed` goes on from here");
    std::lock_guard lock(mutex_);
    if (fatal_) return *fatal_;
    return {};
}

Status Restore::check_target(const Entry& entry) {
    if (options_.overwrite != Overwrite::never) return {};
    if (entry.metadata.type != EntryType::directory) {
        struct stat info{};
        if (::fstatat(root_->fd(), entry.name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0)
            return Error(ErrorCode::already_exists,
                         root_->path() + '/' + entry.name +
                             " exists, and is replaced only with --overwrite changed|always");
        return {};
    }
    return root_->for_each_name([this](const std::string&) -> Status {
        return Error(ErrorCode::already_exists,
                     root_->path() +
                         " is not empty, and is written to only with --overwrite changed|always");
    });
}

void Restore::report_removed() {
    report_.removed = extras_->removed();
    report_.removed_paths = extras_->removed_paths();
}

Status Restore::make_parents() {
    if (options_.parents.empty()) return {};
    const std::string& outermost = options_.parents.front().path;
    const std::size_t slash = outermost.rfind('/');
    // The point knows nothing of what is above its source.
    if (slash != std::string::npos && slash != 0)
        HF_TRY_STATUS(make_directories(outermost.substr(0, slash), 0777));
    for (const ParentDirectory& parent : options_.parents) {
        // Only we may enter until its own mode is set.
        if (::mkdir(parent.path.c_str(), 0700) != 0) {
            if (errno == EEXIST) continue;
            return Error::from_errno(errno, parent.path);
        }
        HF_TRY(UniqueFd fd, open_file(parent.path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
        made_parents_.emplace_back(std::move(fd), &parent);
    }
    return {};
}

// Also when the restore failed: the next one would take them for somebody else's.
void Restore::finish_parents() {
    for (const auto& [fd, parent] : made_parents_) {
        struct stat now{};
        const Status applied = ::fstat(fd.get(), &now) == 0
                                   ? apply_metadata(fd.get(), now, parent->metadata)
                                   : Status(Error::from_errno(errno, "reading the mode"));
        if (!applied.ok())
            problem(Error(applied.error()).with_context("restoring " + parent->path));
    }
    made_parents_.clear();
}

// The first pass over the whole tree, and all that it has left to do.
Status Restore::walk(const Entry& entry) {
    Status walked = entry.metadata.type == EntryType::directory ? first_pass(root_, entry)
                                                                : first_pass_entry(root_, entry);
    // Whatever has become of it: nothing is written any more when this returns.
    const Status finished = finish_windows();
    return walked.ok() ? finished : walked;
}

Status Restore::write(const Entry& entry) {
    HF_TRY_STATUS(walk(entry));
    HF_TRY_STATUS(last_pass_->run(root_, entry));
    report_.files += last_pass_->files();
    report_.others += last_pass_->others();
    return {};
}

Status Restore::open_target(const Entry& entry) {
    // A dry run makes nothing, but refuses what the real one would refuse.
    struct stat target{};
    const bool is_dry = options_.mode == RestoreOptions::Mode::dry_run;
    if (is_dry && ::stat(options_.target.c_str(), &target) != 0) return {};
    if (!is_dry) HF_TRY_STATUS(make_parents());
    HF_TRY(root_, TargetDirectory::open_root(options_.target, options_.kept));
    return check_target(entry);
}

Result<RestoreReport> Restore::run(const Entry& entry) {
    HF_TRY(index_, repository_.index());
    HF_TRY(chunks_, repository_.chunks());
    const bool is_dry = options_.mode == RestoreOptions::Mode::dry_run;
    const Status opened = open_target(entry);
    if (!opened.ok()) {
        finish_parents();
        return opened.error();
    }
    removes_extras_ = options_.extras == Extras::remove;
    file_system_ = entry.metadata.file_system;
    extras_.emplace(*chunks_, is_dry ? ExtrasRemover::Mode::count : ExtrasRemover::Mode::remove,
                    [this](const Error& error) { problem(error); });
    if (is_dry) {
        const bool is_tree = entry.metadata.type == EntryType::directory;
        HF_TRY_STATUS(is_tree ? count_directory(root_, entry) : count_only(root_, entry));
        report_removed();
        return std::move(report_);
    }
    sync_.emplace(root_->fd());
    last_pass_.emplace(*chunks_, options_.overwrite, progress_,
                       LastPass::Restorer{[this] { return fatal(); }, [this](const Error& error) { problem(error); },
                                          [this](const std::string& path) { return has_failed(path); }});
    const Status written = write(entry);
    finish_parents();
    HF_TRY_STATUS(written);
    HF_TRY_STATUS(sync_->finish());
    report_removed();
    if (options_.verification == Verification::read_back) {
        purpose_ = FileWriter::Purpose::compare;
        last_pass_->forget_names();
        HF_TRY_STATUS(walk(entry));
    }
    return std::move(report_);
}

// A dry run: what the real one would do. `directory` is null where the target has none.
Status Restore::count_only(const std::shared_ptr<TargetDirectory>& directory, const Entry& entry) {
    HF_TRY_STATUS(fatal());
    switch (entry.metadata.type) {
        case EntryType::file: {
            ++report_.files;
            report_.bytes += entry.metadata.size;
            const bool is_present =
                directory && options_.overwrite == Overwrite::changed &&
                FileWriter(directory, entry, options_.overwrite, purpose_).is_present();
            if (is_present) ++report_.unchanged_files;
            else report_.written_bytes += entry.metadata.size;
            const bool is_read = !is_present || options_.verification == Verification::read_back;
            return is_read && options_.on_content ? options_.on_content(entry) : ok_status();
        }
        case EntryType::directory: {
            std::shared_ptr<TargetDirectory> child;
            if (directory) {
                auto opened = TargetDirectory::open_child(directory, entry.name);
                if (opened.ok()) child = *opened;
            }
            return within(child.get(), entry, [&] { return count_directory(child, entry); });
        }
        case EntryType::symlink:
        case EntryType::fifo:
        case EntryType::socket:
        case EntryType::char_device:
        case EntryType::block_device: ++report_.others; return {};
    }
    return {};
}

Status Restore::count_directory(const std::shared_ptr<TargetDirectory>& directory,
                                const Entry& entry) {
    ++report_.directories;
    if (directory && removes_extras_) HF_TRY_STATUS(extras_->run(directory, entry));
    return for_each_entry(*chunks_, entry, [this, &directory](const Entry& child) {
        return count_only(directory, child);
    });
}

// What is mounted now and was not part of the source then is none of the restore point's business:
// the point has nothing in it, or says that it was of the file system around it.
bool Restore::is_foreign(const TargetDirectory& directory, const Entry& entry) const {
    return directory.is_mount_point() &&
           (entry.metadata.file_system == file_system_ || is_empty(entry.content));
}

// Does `work` for what is below a directory that has been entered.
template <typename Work>
Status Restore::within(const TargetDirectory* directory, const Entry& entry, Work work) {
    const std::size_t above = path_.size();
    const bool removed_extras = removes_extras_;
    const std::uint32_t file_system = file_system_;
    path_ += entry.name + '/';
    if (directory != nullptr && is_foreign(*directory, entry)) removes_extras_ = false;
    file_system_ = entry.metadata.file_system;
    const Status done = work();
    path_.resize(above);
    removes_extras_ = removed_extras;
    file_system_ = file_system;
    return done;
}

Status Restore::first_pass(const std::shared_ptr<TargetDirectory>& directory, const Entry& entry) {
    if (purpose_ == FileWriter::Purpose::write) {
        ++progress_.entries;
        std::lock_guard lock(mutex_);
        ++report_.directories;
    }
    if (removes_extras_ && purpose_ == FileWriter::Purpose::write)
        HF_TRY_STATUS(extras_->run(directory, entry));
    return for_each_entry(*chunks_, entry, [this, &directory](const Entry& child) {
        return first_pass_entry(directory, child);
    });
}

Status Restore::first_pass_entry(const std::shared_ptr<TargetDirectory>& directory,
                                 const Entry& entry) {
    HF_TRY_STATUS(fatal());
    switch (entry.metadata.type) {
        case EntryType::file: return add_file(directory, entry);
        case EntryType::directory: return first_pass_directory(directory, entry);
        case EntryType::symlink:
        case EntryType::fifo:
        case EntryType::socket:
        case EntryType::char_device:
        case EntryType::block_device: is_left_ = true; return {};
    }
    return {};
}

Status Restore::first_pass_directory(const std::shared_ptr<TargetDirectory>& directory, const Entry& entry) {
    const auto mode = options_.overwrite == Overwrite::never ? TargetDirectory::InTheWay::keep
                                                             : TargetDirectory::InTheWay::replace;
    auto child = purpose_ == FileWriter::Purpose::write
                     ? TargetDirectory::make_child(directory, entry.name, mode)
                     : TargetDirectory::open_child(directory, entry.name);
    if (!child.ok()) {
        const std::string path = directory->path() + '/' + entry.name;
        if (!has_failed(path)) entry_problem(path, child.error());
        return {};
    }
    const bool was_left = std::exchange(is_left_, false);
    const Status done = within(child->get(), entry, [&] { return first_pass(*child, entry); });
    if (done.ok() && purpose_ == FileWriter::Purpose::write) {
        if (is_left_) HF_TRY_STATUS(last_pass_->add_directory(path_ + entry.name));
        else finish_when_released(**child, entry);
    }
    is_left_ = is_left_ || was_left;
    if (++window_directory_count_ >= window_directories_) HF_TRY_STATUS(flush_window());
    return done;
}

// When nobody holds it any more: every file in it is complete, and every directory.
void Restore::finish_when_released(TargetDirectory& directory, const Entry& entry) {
    directory.when_released([this, metadata = entry.metadata](const TargetDirectory& released) {
        // What was interrupted goes on later, and must find directories that it may write to.
        if (!fatal().ok()) return;
        const Status applied = apply_metadata_now(released, metadata);
        if (!applied.ok()) problem(applied.error());
    });
}

Status Restore::add_file(const std::shared_ptr<TargetDirectory>& directory, const Entry& entry) {
    const Metadata& metadata = entry.metadata;
    if (metadata.has_links) {
        HF_TRY(const bool is_first, last_pass_->is_first_name(metadata, path_ + entry.name));
        if (!is_first) {
            is_left_ = true;
            return {};
        }
    }
    auto file = std::make_shared<FileWriter>(directory, entry, options_.overwrite, purpose_);
    if (purpose_ == FileWriter::Purpose::write) {
        ++progress_.entries;
        const bool is_kept = options_.overwrite != Overwrite::never &&
                             directory->standing_of(entry.name) == KeptPlaces::Standing::kept;
        const bool is_present =
            (is_kept || options_.overwrite == Overwrite::changed) && file->is_present();
        if (is_kept && !is_present) {
            entry_problem(file->path(), left_alone(file->path()));
            return {};
        }
        if (is_present) {
            take_present(*file, is_kept ? Present::leave : Present::give_metadata);
            return {};
        }
    } else if (has_failed(file->path())) {
        return {};
    }
    if (std::holds_alternative<RunContent>(entry.content) ||
        std::holds_alternative<ExtentTree>(entry.content))
        HF_TRY_STATUS(add_runs(file));
    else
        window_->plain_files.push_back(std::move(file));
    if (++window_file_count_ >= window_files) return flush_window();
    return {};
}

// A file that is there already.
void Restore::take_present(FileWriter& file, Present mode) {
    const std::uint64_t bytes = file.entry().metadata.size;
    if (mode == Present::give_metadata) {
        const Status applied = file.apply_to_present();
        if (!applied.ok())
            problem(Error(applied.error()).with_context("restoring " + file.path()));
    }
    ++progress_.files;
    progress_.bytes += bytes;
    std::lock_guard lock(mutex_);
    ++report_.files;
    ++report_.unchanged_files;
    report_.bytes += bytes;
}

Status Restore::add_runs(const std::shared_ptr<FileWriter>& file) {
    std::uint64_t offset = 0;
    const Status walked = for_each_run(*chunks_, file->entry(), [&](const Run& run) -> Status {
        const std::uint64_t start = offset;
        offset += run.bytes;
        if (run.kind != RunKind::data) {
            const Status done = file->empty(run.kind, start, run.bytes);
            if (!done.ok()) file_problem(*file, done.error());
            progress_.bytes += run.bytes;
            return {};
        }
        file->expect(1);
        window_->pieces.push_back({file, run.chunk, run.chunk_offset, run.bytes, start});
        return window_->pieces.size() >= window_pieces ? flush_window() : ok_status();
    });
    HF_TRY_STATUS(fatal());
    // Where its pieces are cannot be read: that is this file's problem alone.
    if (!walked.ok()) file_problem(*file, walked.error());
    finish_piece(*file);
    return {};
}

void Restore::finish_piece(FileWriter& file) {
    if (!file.piece_done()) return;
    if (!file.has_failed()) {
        const Status done = file.complete_content();
        if (!done.ok()) file_problem(file, done.error());
    }
    ++progress_.files;
    if (file.has_failed()) return file.give_up();
    if (purpose_ == FileWriter::Purpose::compare) return;
    const Status applied = file.complete_metadata();
    if (!applied.ok()) problem(Error(applied.error()).with_context("restoring " + file.path()));
    std::lock_guard lock(mutex_);
    ++report_.files;
    report_.bytes += file.entry().metadata.size;
}

// Has the window fetched, task by task, while the next one is filled.
Status Restore::flush_window() {
    if (fetching_.size() == most_fetching) {
        {
            std::unique_lock lock(unfinished_mutex_);
            task_finished_.wait(lock, [this] { return fetching_.front()->unfinished == 0; });
        }
        fetching_.pop_front();
    }
    fetching_.push_back(std::exchange(window_, std::make_unique<Window>()));
    window_file_count_ = window_directory_count_ = 0;
    HF_TRY_STATUS(fatal());
    Window& window = *fetching_.back();
    const auto submit = [&](auto task) {
        {
            const std::lock_guard lock(unfinished_mutex_);
            ++window.unfinished;
        }
        pool_.submit([this, &window, task] {
            task();
            const std::lock_guard lock(unfinished_mutex_);
            if (--window.unfinished == 0) task_finished_.notify_one();
        });
    };
    window.pieces = sorted_by_place(std::move(window.pieces), *index_);
    const TaskRule rule = task_rule_for(repository_.storage().traits());
    for (std::span<const Piece> rest(window.pieces); !rest.empty();) {
        const std::span<const Piece> part = first_task(rest, rule);
        submit([this, part] { fetch(part); });
        rest = rest.subspan(part.size());
    }
    const std::span<const std::shared_ptr<FileWriter>> plain(window.plain_files);
    for (std::size_t begin = 0; begin < plain.size(); begin += files_a_task)
        submit([this, part = plain.subspan(begin, std::min(files_a_task, plain.size() - begin))] { write_plain(part); });
    return {};
}

Status Restore::finish_windows() {
    const Status flushed = flush_window();
    pool_.wait_idle();
    fetching_.clear();
    HF_TRY_STATUS(flushed);
    return fatal();
}

void Restore::count_bytes(std::uint64_t written, std::uint64_t compared) {
    std::lock_guard lock(mutex_);
    if (purpose_ == FileWriter::Purpose::compare) {
        report_.verified_bytes += compared;
        return;
    }
    report_.written_bytes += written;
    sync_->wrote(written);
}

void Restore::fetch(std::span<const Piece> pieces) {
    if (stop_.stop_requested()) return;
    std::vector<WantedChunk> wanted;
    std::vector<std::span<const Piece>> pieces_of;
    for (; !pieces.empty(); pieces = pieces.subspan(pieces_of.back().size())) {
        wanted.push_back(wanted_of(pieces.front()));
        pieces_of.push_back(first_chunk(pieces));
    }
    read_near_chunks(*chunks_, *index_, wanted, [&](std::size_t i, const ReadFrom*, Result<ChunkContent> content) {
        write_chunk(pieces_of[i], std::move(content));
    });
}

// All pieces of the window that are in one chunk.
void Restore::write_chunk(std::span<const Piece> pieces, Result<ChunkContent> content) {
    if (stop_.stop_requested()) return;
    std::uint64_t written = 0, compared = 0;
    for (const Piece& piece : pieces) {
        FileWriter& file = *piece.file;
        // Where prune has thinned a chunk, another piece may stand elsewhere.
        if (content.ok() && !content->has(piece.chunk_offset, piece.bytes))
            content = chunks_->read_part(
                piece.chunk, ChunkPurpose::data,
                {piece.chunk_offset, static_cast<std::uint32_t>(piece.bytes)});
        if (!content.ok()) {
            file_problem(file, content.error());
        } else if (!content->has(piece.chunk_offset, piece.bytes)) {
            file_problem(file, Error(ErrorCode::corrupt, "a run beyond its chunk's end"));
        } else if (!file.has_failed()) {
            const auto done = file.data(
                piece.file_offset,
                ByteSpan(content->bytes)
                    .subspan(piece.chunk_offset, static_cast<std::size_t>(piece.bytes)));
            if (!done.ok()) file_problem(file, done.error());
            else written += *done;
            compared += piece.bytes;
        }
        progress_.bytes += piece.bytes;
        finish_piece(file);
    }
    count_bytes(written, compared);
}

void Restore::write_plain(std::span<const std::shared_ptr<FileWriter>> files) {
    std::uint64_t written = 0, compared = 0;
    for (const auto& file : files) {
        if (stop_.stop_requested()) return;
        if (const auto* content = std::get_if<InlineContent>(&file->entry().content)) {
            const auto done = file->data(0, content->data);
            if (!done.ok()) file_problem(*file, done.error());
            else written += *done;
            compared += content->data.size();
            progress_.bytes += content->data.size();
        }
        finish_piece(*file);
    }
    count_bytes(written, compared);
}

}  // namespace

Result<RestoreReport> run_restore(Repository& repository,
                                  const Entry& entry,
                                  const RestoreOptions& options,
                                  Progress& progress,
                                  std::stop_token stop) {
    return Restore(repository, options, progress, std::move(stop)).run(entry);
}

}  // namespace holdfast
