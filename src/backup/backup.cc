#include "backup/backup.h"

#include <deque>

#include "backup/content_pipeline.h"
#include "backup/event_check.h"
#include "backup/hard_links.h"
#include "backup/locality.h"
#include "backup/parent_choice.h"
#include "backup/tree_merger.h"
#include "base/bounded_queue.h"

namespace holdfast {
namespace {

// Entries that wait for a file before them to be read: 600 bytes each, 5 MiB.
constexpr std::size_t max_waiting_items = 8192;
// Batches of 256 events that the walk may be ahead: 300 bytes an event, 2.5 MiB.
constexpr std::size_t walk_ahead_batches = 32;
// A change within the clock's tick of the previous backup's look may have been missed by it.
constexpr TimeNs clock_tick = 20'000'000;
constexpr std::size_t max_reported_problems = 1000, max_recorded_problems = 100;

using EventBatch = std::vector<SourceEvent>;

// One name in 16, always the same ones, so that groups after a change are the groups before it.
bool name_ends_group(std::string_view name) {
    std::uint32_t hash = 2166136261u;
    for (const char c : name) hash = (hash ^ static_cast<std::uint8_t>(c)) * 16777619u;
    return (hash >> 24) % 16 == 0;
}

// What the tree gets, in the order of the walk.
struct TreeItem {
    enum class Kind : std::uint8_t { enter, same, task, link, ready, leave };
    Kind kind;
    PreviousEntry previous;           // enter, same
    std::string name;                 // enter; task, link: the path
    Metadata metadata;                // enter
    std::shared_ptr<FileTask> task;   // task; link: of the name that was met first
    std::optional<Entry> entry;       // ready
    std::unique_ptr<SourceEvent> event{};  // link
    TreeMerger::Gone gone = TreeMerger::Gone::nothing;  // leave
};

// The walk, in a thread of its own.
class Walker {
  public:
    Walker(Source& source, std::stop_token stop) : queue_(walk_ahead_batches) {
        thread_ = std::jthread([this, &source, stop] { run(source, stop); });
    }
    ~Walker() { queue_.abort(); }

    // The next batch; empty at the end. Errors: of the walk.
    Result<EventBatch> next() {
        auto batch = queue_.pop();
        if (batch) return std::move(*batch);
        if (!status_.ok()) return status_.error();
        return EventBatch{};
    }

  private:
    void run(Source& source, const std::stop_token& stop) {
        status_ = walk(source, stop);
        queue_.close();
    }
    Status walk(Source& source, const std::stop_token& stop) {
        HF_TRY(const std::unique_ptr<SourceStream> stream, source.walk());
        while (!stop.stop_requested()) {
            EventBatch batch;
            HF_TRY_STATUS(stream->next(batch));
            if (batch.empty() || !queue_.push(std::move(batch))) return {};
        }
        return {};
    }

    BoundedQueue<EventBatch> queue_;
    Status status_;  // read after the queue is closed
    std::jthread thread_;
};

// Counts a source for the progress, in a thread of its own.
class Estimator {
  public:
    Estimator(Source& source, Progress& progress)
        : thread_([&source, &progress, files = progress.files.load(),
                   bytes = progress.bytes.load()](const std::stop_token& stop) {
              run(source, progress, files, bytes, stop);
          }) {}

  private:
    // `files` and `bytes`: what was dealt with before.
    static void run(Source& source,
                    Progress& progress,
                    std::uint64_t files,
                    std::uint64_t bytes,
                    const std::stop_token& stop) {
        const auto stream = source.walk();
        if (!stream.ok()) return;  // the backup meets the same error
        for (EventBatch batch; !stop.stop_requested(); batch.clear()) {
            if (!(*stream)->next(batch).ok()) return;
            if (batch.empty()) {
                progress.total_files = files;
                progress.total_bytes = bytes;
                return;
            }
            for (const SourceEvent& event : batch) {
                if (event.kind != SourceEventKind::entry ||
                    event.metadata.type != EntryType::file || event.metadata.size >= stream_size)
                    continue;
                ++files;
                bytes += event.metadata.size;
            }
        }
    }

    std::jthread thread_;
};

// The state of one backup. For one thread; others work for it.
class Backup {
  public:
    Backup(Repository& repository,
           Source& source,
           const BackupOptions& options,
           Progress& progress,
           std::stop_token stop)
        : repository_(repository),
          source_(source),
          options_(options),
          progress_(progress),
          stop_(std::move(stop)),
          read_before_(progress.read_bytes),
          files_before_(progress.files),
          bytes_before_(progress.bytes) {}

    Result<BackupReport> run();
    // Reads everything.
    Result<BackupReport> run_without_parent() {
        may_have_parent_ = false;
        return run();
    }
    const std::optional<RestorePointId>& parent() const { return parent_; }
    // Whether it has failed because something of the parent could not be read, which only a write-only client must
    // expect.
    bool may_go_without_parent(const Error& error) const {
        const ErrorCode code = error.code();
        return parent_ && repository_.keyring().role() == KeyRole::writer &&
               (code == ErrorCode::corrupt || code == ErrorCode::not_found || code == ErrorCode::permission_denied);
    }

  private:
    struct OpenDirectory {
        std::string path;  // with a trailing slash
        PreviousDirectory previous;
    };

    Status begin_with_parent();
    void load_locality();
    void expect(const RestorePointStats& stats);
    std::uint64_t read_bytes() const { return progress_.read_bytes - read_before_; }
    Status walk();
    Status handle(SourceEvent& event);
    Status complete(const SourceEvent& event, Metadata& metadata);
    Status handle_enter(SourceEvent& event);
    Status handle_leave();
    Status handle_entry(SourceEvent& event);
    enum class Reading : std::uint8_t { changed, again };
    Status handle_file(SourceEvent& event, const PreviousEntry& previous, Reading reading);
    bool is_taken_again(const SourceEvent& event, const Entry& previous);
    void problem(const std::string& path, const std::string& what);
    Result<PreviousEntry> find_previous(const std::string& name);
    bool is_unchanged(const SourceEvent& event, const Entry& previous) const;
    std::string path_of(const std::string& name) const;
    void count(const Metadata& metadata);

    void submit_open_group();
    void push(TreeItem item);
    Status drain(std::size_t keep);
    Status apply(TreeItem& item);
    Status apply_link(TreeItem& item);
    Status apply_task(const std::string& path, FileTask& task);
    Status leave_out(const FileTask& task);
    Status keep_previous(const FileTask& task);
    void note_stored(const FileTask& task);
    Status maybe_put_partial();
    Status stop_walking();
    Result<BackupReport> finish();
    Result<BackupReport> dry_report();

    Repository& repository_;
    Source& source_;
    const BackupOptions& options_;
    Progress& progress_;
    const std::stop_token stop_;
    // By the backups that share the progress.
    const std::uint64_t read_before_, files_before_, bytes_before_;

    BackupReport report_;
    RestorePointRecord record_;
    std::shared_ptr<const Entry> previous_root_;
    bool may_have_parent_ = true;
    std::optional<RestorePointId> parent_;  // also of a full one that goes on with an interrupted one
    TimeNs previous_started_ = 0;
    ChunkReader* chunks_ = nullptr;

    std::unique_ptr<WriteSession> session_;
    std::optional<Chunkers> chunkers_;
    std::unique_ptr<NodeStore> nodes_;
    std::unique_ptr<ChunkSink> sink_;
    std::unique_ptr<ContentPipeline> pipeline_;
    std::optional<TreeMerger> merger_;

    EventCheck event_check_;
    std::vector<OpenDirectory> directories_;
    std::deque<TreeItem> items_;
    std::vector<std::shared_ptr<FileTask>> group_;
    std::uint64_t group_bytes_ = 0;
    std::size_t items_at_group_start_ = 0;
    std::size_t pushed_items_ = 0;

    std::optional<Locality> locality_;
    std::uint64_t new_small_bytes_ = 0;

    HardLinks links_;
    // A first backup leaves a partial point now and then, for the next run if it is interrupted.
    bool puts_partial_points_ = false;
    std::uint64_t partial_at_bytes_ = 0;
    TimeNs partial_at_ = 0;
};

void Backup::problem(const std::string& path, const std::string& what) {
    ++report_.problem_count;
    ++progress_.problems;
    if (report_.problems.size() < max_reported_problems)
        report_.problems.push_back(path + ": " + what);
    if (record_.skipped_paths.size() < max_recorded_problems)
        record_.skipped_paths.push_back(path);
}

std::string Backup::path_of(const std::string& name) const {
    return directories_.empty() ? name : directories_.back().path + name;
}

// The previous version that the type asks for.
Status Backup::begin_with_parent() {
    record_.type = BackupType::full;
    if (!may_have_parent_) return {};
    HF_TRY(const ParentChoice choice, choose_parent(repository_, options_));
    puts_partial_points_ = choice.is_first;
    record_.type = choice.type;
    if (!choice.parent) return {};
    const PointInfo& parent = *choice.parent;
    parent_ = parent.id;
    if (!choice.goes_on_with_partial) {
        record_.parent = parent.id;
        if (choice.type == BackupType::differential) record_.base_full = parent.id;
    }
    // Files that were changed while the previous backup ran are read again.
    previous_started_ = parent.record.walked - clock_tick;
    previous_root_ = std::make_shared<const Entry>(parent.record.root);
    // As much as the last time is as good a guess as any.
    expect(parent.record.stats);
    return {};
}

void Backup::expect(const RestorePointStats& stats) {
    if (stats.content_bytes >= stream_size) return;  // nobody knows
    progress_.total_files = files_before_ + stats.files;
    progress_.total_bytes = bytes_before_ + stats.content_bytes;
}

Result<BackupReport> Backup::run() {
    const Clock& clock = repository_.clock();
    record_.walked = clock.now();
    record_.started = options_.time.value_or(record_.walked);
    record_.source = options_.source_url;
    record_.host = options_.host;
    record_.name = options_.name;
    record_.tags = options_.tags;
    record_.program = options_.program;
    const WriterIdentity identity = this_process(options_.host);
    record_.machine_id = identity.machine_id;

    if (options_.mode == BackupOptions::Mode::store) {
        HF_TRY_STATUS(repository_.keyring().check_host(options_.host));
        HF_TRY(session_, WriteSession::begin(repository_, identity));
        record_.session = session_->id();
    }
    HF_TRY(chunks_, repository_.chunks());
    if (options_.type == BackupType::full) HF_TRY_STATUS(repository_.exclude_lost_containers());
    HF_TRY_STATUS(begin_with_parent());
    report_.type = record_.type;
    if (session_) {
        const Keyring& keyring = repository_.keyring();
        chunkers_.emplace(repository_.config().chunk_sizes, keyring.writer().chunker_key);
        nodes_ = std::make_unique<NodeStore>(*session_, keyring);
        sink_ = std::make_unique<ChunkSink>(
            *session_, keyring, options_.compression, options_.threads);
        const PageTrust trust = options_.type == BackupType::full ? PageTrust::contents
                                                                  : PageTrust::fingerprints;
        pipeline_ = std::make_unique<ContentPipeline>(
            source_,
            ContentContext{repository_, *sink_, *chunkers_, repository_.members(), progress_, trust,
                           stop_},
            options_.threads);
        merger_.emplace(*nodes_);
        if (record_.type == BackupType::incremental) load_locality();
    }
    std::optional<Estimator> estimator;
    if (!previous_root_ && options_.estimate == BackupOptions::Estimate::walk)
        estimator.emplace(source_, progress_);
    Status walked = walk();
    estimator.reset();
    expect(record_.stats);  // what is left of it is being read
    if (walked.ok() && session_) {
        submit_open_group();
        walked = drain(0);
    }
    if (!walked.ok()) {
        // Threads that still read must end before what they use does.
        if (pipeline_) pipeline_->finish();
        if (sink_) (void)sink_->finish().ok();
        // What was stored is kept for the next session, if it can be.
        if (session_ && walked.error().code() == ErrorCode::cancelled)
            (void)session_->abandon().ok();
        return session_ ? session_->explain(std::move(walked).error()) : std::move(walked).error();
    }
    return session_ ? finish() : dry_report();
}

void Backup::load_locality() {
    const std::string& cache = repository_.cache_directory();
    const std::string source = repository_.keyring().source_id(options_.host, options_.name).hex();
    locality_ = Locality::load(cache.empty() ? "" : cache + "/locality-" + source,
                               session_->id().prefix64());
}

Status Backup::walk() {
    Walker walker(source_, stop_);
    for (;;) {
        if (stop_.stop_requested()) return stop_walking();
        HF_TRY(EventBatch batch, walker.next());
        if (batch.empty()) break;
        for (SourceEvent& event : batch) HF_TRY_STATUS(handle(event));
        if (session_) {
            HF_TRY_STATUS(drain(max_waiting_items));
            HF_TRY_STATUS(maybe_put_partial());
            HF_TRY_STATUS(session_->renew_lease());
            progress_.stored_bytes = session_->new_bytes();
        }
    }
    if (stop_.stop_requested()) return stop_walking();
    return {};
}

// A tree of what has been read so far, so that a first backup which is killed begins again there.
Status Backup::maybe_put_partial() {
    const TimeNs now = repository_.clock().monotonic();
    if (partial_at_ == 0) partial_at_ = now;
    const std::uint64_t bytes = session_->new_bytes();
    if (!puts_partial_points_ || directories_.empty() ||
        (bytes - partial_at_bytes_ < checkpoint_bytes && now - partial_at_ < checkpoint_interval))
        return {};
    submit_open_group();
    HF_TRY_STATUS(drain(0));
    HF_TRY_STATUS(sink_->wait_idle());
    RestorePointRecord record = record_;
    HF_TRY(record.root, merger_->so_far());
    record.root.name = "/";
    HF_TRY_STATUS(session_->put_partial(std::move(record)));
    partial_at_bytes_ = session_->new_bytes();
    partial_at_ = repository_.clock().monotonic();
    return {};
}

// Interrupted: every open directory ends here, and what is known so far becomes a partial point.
Status Backup::stop_walking() {
    const RestorePointStats& stats = record_.stats;
    const bool nothing_known = stats.files + stats.directories + stats.others == 0;
    if (nothing_known) return Error(ErrorCode::cancelled, "interrupted before the first file");
    report_.is_partial = true;
    record_.is_partial = true;
    while (!directories_.empty()) HF_TRY_STATUS(handle_leave());
    return {};
}

Status Backup::handle(SourceEvent& event) {
    HF_TRY(const EventCheck::Verdict verdict, event_check_.look_at(event));
    if (verdict == EventCheck::Verdict::too_deep)
        problem(path_of(event.name), "it is below " + std::to_string(max_directory_depth) + " other directories");
    if (verdict != EventCheck::Verdict::take) return {};
    ++progress_.entries;
    switch (event.kind) {
        case SourceEventKind::enter: return handle_enter(event);
        case SourceEventKind::leave: return handle_leave();
        case SourceEventKind::entry: return handle_entry(event);
        case SourceEventKind::problem: problem(event.name, event.problem); return {};
    }
    return {};
}

Result<PreviousEntry> Backup::find_previous(const std::string& name) {
    if (!directories_.empty()) return directories_.back().previous.find(name);
    return PreviousEntry{previous_root_, nullptr, 0, false};
}

void Backup::count(const Metadata& metadata) {
    RestorePointStats& stats = record_.stats;
    if (metadata.type == EntryType::file) ++stats.files;
    else if (metadata.type == EntryType::directory) ++stats.directories;
    else ++stats.others;
    stats.content_bytes += metadata.size;
}

Status Backup::complete(const SourceEvent& event, Metadata& metadata) {
    HF_TRY_STATUS(source_.complete(event, metadata));
    Status checked = check_xattrs(metadata.xattrs);
    if (!checked.ok()) metadata.xattrs.clear();
    return checked;
}

Status Backup::handle_enter(SourceEvent& event) {
    HF_TRY(PreviousEntry previous, find_previous(event.name));
    if (previous.entry && previous.entry->metadata.type != EntryType::directory)
        previous.entry.reset();
    // Unchanged metadata includes the extended attributes: setting one changes the ctime.
    if (previous.entry && is_unchanged(event, *previous.entry)) {
        event.metadata = previous.entry->metadata;
    } else {
        const Status completed = complete(event, event.metadata);
        if (!completed.ok()) problem(path_of(event.name), completed.error().message());
    }
    count(event.metadata);
    const std::string path = directories_.empty() ? "" : path_of(event.name) + '/';
    HF_TRY(PreviousDirectory directory, PreviousDirectory::open(chunks_, previous.entry));
    directories_.push_back({path, std::move(directory)});
    TreeItem item{TreeItem::Kind::enter, std::move(previous), std::move(event.name),
                  std::move(event.metadata), nullptr, std::nullopt};
    if (item.name.empty()) item.name = "/";
    push(std::move(item));
    return {};
}

Status Backup::handle_leave() {
    HF_TRY(const bool all, directories_.back().previous.all_found());
    directories_.pop_back();
    TreeItem item{TreeItem::Kind::leave, {}, {}, {}, nullptr, std::nullopt};
    item.gone = all ? TreeMerger::Gone::nothing : TreeMerger::Gone::something;
    push(std::move(item));
    return {};
}

bool Backup::is_unchanged(const SourceEvent& event, const Entry& previous) const {
    const Metadata& now = event.metadata;
    const Metadata& then = previous.metadata;
    return now.ctime == then.ctime && now.mtime == then.mtime && now.size == then.size &&
           now.inode == then.inode && now.type == then.type && now.mode == then.mode &&
           now.uid == then.uid && now.gid == then.gid && now.has_links == then.has_links &&
           now.file_system == then.file_system && now.device == then.device &&
           now.attributes == then.attributes && now.ctime < previous_started_;
}

Status Backup::handle_entry(SourceEvent& event) {
    HF_TRY(const PreviousEntry previous, find_previous(event.name));
    count(event.metadata);
    if (previous.entry && is_unchanged(event, *previous.entry)) {
        if (is_taken_again(event, *previous.entry))
            return handle_file(event, previous, Reading::again);
        if (event.metadata.type == EntryType::file) {
            ++progress_.files;
            progress_.bytes += event.metadata.size;
        }
        push({TreeItem::Kind::same, previous, {}, {}, nullptr, std::nullopt});
        return {};
    }
    if (event.metadata.type == EntryType::file) return handle_file(event, previous, Reading::changed);
    Entry entry{event.name, event.metadata, NoContent{}};
    const Status completed = complete(event, entry.metadata);
    if (!completed.ok()) {
        if (completed.error().code() == ErrorCode::not_found) return {};
        problem(path_of(event.name), completed.error().message());
        if (entry.metadata.type == EntryType::symlink) return {};
    }
    push({TreeItem::Kind::ready, {}, {}, {}, nullptr, std::move(entry)});
    return {};
}

bool Backup::is_taken_again(const SourceEvent& event, const Entry& previous) {
    return locality_ && !event.is_sparse && locality_->takes(previous);
}

Status Backup::handle_file(SourceEvent& event, const PreviousEntry& previous, Reading reading) {
    if (!session_) {
        progress_.bytes += event.metadata.size;
        progress_.read_bytes += event.metadata.size;
        ++progress_.files;
        return {};
    }
    if (event.metadata.has_links) {
        HF_TRY(HardLinks::Known known, links_.find(event.metadata));
        if (known.stored) {
            known.stored->name = event.name;
            push({TreeItem::Kind::ready, {}, {}, {}, nullptr, std::move(known.stored)});
            return {};
        }
        if (known.pending) {
            TreeItem item{TreeItem::Kind::link, {}, path_of(event.name), {},
                          std::move(known.pending), std::nullopt};
            item.event = std::make_unique<SourceEvent>(std::move(event));
            push(std::move(item));
            return {};
        }
    }
    auto task = std::make_shared<FileTask>();
    const bool is_small = event.metadata.size < small_file_bytes && !event.is_sparse;
    const std::uint64_t bytes = event.metadata.size;
    if (previous.entry && previous.entry->metadata.type == EntryType::file)
        task->previous = previous.entry;
    task->is_again = reading == Reading::again;
    task->entry.name = event.name;
    const std::string name = event.name;
    task->event = std::move(event);
    if (task->event.metadata.has_links) links_.begin(task);
    push({TreeItem::Kind::task, {}, path_of(name), {}, task, std::nullopt});
    if (!is_small) {
        pipeline_->submit_file(std::move(task));
        return {};
    }
    if (locality_ && reading == Reading::changed) locality_->changed(bytes);
    if (group_.empty()) items_at_group_start_ = pushed_items_;
    group_.push_back(std::move(task));
    group_bytes_ += bytes;
    const bool at_boundary = group_bytes_ >= group_min_bytes && name_ends_group(name);
    if (at_boundary || group_bytes_ >= group_max_bytes || group_.size() >= group_max_files)
        submit_open_group();
    return {};
}

void Backup::submit_open_group() {
    if (group_.empty()) return;
    pipeline_->submit_group(std::exchange(group_, {}));
    group_bytes_ = 0;
}

void Backup::push(TreeItem item) {
    if (!session_) return;
    items_.push_back(std::move(item));
    ++pushed_items_;
    // What waits for an open group must not grow without bound.
    if (!group_.empty() && pushed_items_ - items_at_group_start_ >= max_waiting_items / 2)
        submit_open_group();
}

// Applies what is ready, and waits until no more than `keep` items are left.
Status Backup::drain(std::size_t keep) {
    while (!items_.empty()) {
        TreeItem& item = items_.front();
        if (item.task && !item.task->is_done()) {
            if (items_.size() <= keep) return {};
            if (!group_.empty()) submit_open_group();
            item.task->wait();
        }
        HF_TRY_STATUS(apply(item));
        items_.pop_front();
    }
    return {};
}

Status Backup::apply(TreeItem& item) {
    switch (item.kind) {
        case TreeItem::Kind::enter:
            merger_->enter(
                std::move(item.name), std::move(item.metadata), std::move(item.previous));
            return {};
        case TreeItem::Kind::same: return merger_->same(item.previous);
        case TreeItem::Kind::leave: return merger_->leave(item.gone);
        case TreeItem::Kind::ready: return merger_->add(std::move(*item.entry));
        case TreeItem::Kind::link: return apply_link(item);
        case TreeItem::Kind::task: return apply_task(item.name, *item.task);
    }
    return {};
}

// Another name of a file that was read: the same metadata and content, of the previous version too.
Status Backup::apply_link(TreeItem& item) {
    if (const Entry* kept = item.task->kept()) {
        Entry entry = *kept;
        entry.name = item.event->name;
        return merger_->add(std::move(entry));
    }
    // The other name has vanished, or could not be read: this one is still there.
    auto task = std::make_shared<FileTask>();
    task->event = std::move(*item.event);
    if (item.task->previous) {
        auto previous = std::make_shared<Entry>(*item.task->previous);
        previous->name = task->event.name;
        task->previous = std::move(previous);
    }
    pipeline_->submit_file(task);
    task->wait();
    return apply_task(item.name, *task);
}

Status Backup::leave_out(const FileTask& task) {
    --record_.stats.files;
    record_.stats.content_bytes -= task.event.metadata.size;
    return {};
}

Status Backup::keep_previous(const FileTask& task) {
    record_.stats.content_bytes += task.previous->metadata.size - task.event.metadata.size;
    if (locality_) locality_->stays(*task.previous);
    return merger_->add(*task.previous);
}

void Backup::note_stored(const FileTask& task) {
    const std::uint64_t bytes = task.entry.metadata.size;
    if (!task.is_in_group) {
        if (locality_) locality_->stays(task.entry);
    } else if (task.is_again) {
        ++report_.again_files;
        report_.again_bytes += bytes;
    } else {
        new_small_bytes_ += bytes;
    }
}

Status Backup::apply_task(const std::string& path, FileTask& task) {
    if (task.event.metadata.has_links) HF_TRY_STATUS(links_.finish(task));
    if (!task.is_stored() && merger_->depth() == 0)
        return stop_.stop_requested()
                   ? Error(ErrorCode::cancelled, "interrupted: what was stored is kept for the next backup")
                   : Error(ErrorCode::unavailable, task.problem);
    // The walk saw it unchanged: what has become of it since is the next backup's matter.
    if (task.is_again && !task.is_stored()) return keep_previous(task);
    switch (task.outcome) {
        case FileOutcome::stored: break;
        case FileOutcome::unstable:
            // Half of one version and half of another is worth nothing: the last whole one is.
            problem(path, task.problem + (task.previous ? ": its previous version is kept" : ""));
            return task.previous ? keep_previous(task) : leave_out(task);
        case FileOutcome::skipped:
            // An interrupt ends what is being read too, also when the walk has ended before it came.
            if (stop_.stop_requested()) report_.is_partial = record_.is_partial = true;
            else problem(path, task.problem);
            [[fallthrough]];
        case FileOutcome::vanished: return leave_out(task);
    }
    record_.stats.content_bytes += task.entry.metadata.size - task.event.metadata.size;
    note_stored(task);
    // Links that wait behind it still want a copy.
    return merger_->add(task.event.metadata.has_links ? task.entry : std::move(task.entry));
}

Result<BackupReport> Backup::dry_report() {
    report_.stats = record_.stats;
    report_.stats.read_bytes = read_bytes();
    report_.stats.skipped = report_.problem_count;
    return std::move(report_);
}

Result<BackupReport> Backup::finish() {
    pipeline_->finish();
    HF_TRY_STATUS(sink_->finish());
    HF_TRY(record_.root, merger_->take_root());
    // A lone file keeps its name; a directory's name is the source's business.
    if (record_.root.metadata.type == EntryType::directory) record_.root.name = "/";
    else record_.root.name = record_.root.name.substr(record_.root.name.rfind('/') + 1);
    record_.finished = repository_.clock().now();
    record_.stats.skipped = report_.problem_count;
    record_.stats.read_bytes = read_bytes();
    HF_TRY(const WriteSession::Committed committed, session_->commit(record_));
    if (locality_ && !record_.is_partial) {
        HF_TRY(const Index* const index, repository_.index());
        locality_->save(*index, new_small_bytes_);
    }
    report_.point = committed.id;
    report_.stored_bytes = committed.stored_bytes;
    progress_.stored_bytes = committed.stored_bytes;
    report_.stats = record_.stats;
    return std::move(report_);
}

}  // namespace

Result<BackupReport> run_backup(Repository& repository,
                                Source& source,
                                const BackupOptions& options,
                                Progress& progress,
                                std::stop_token stop) {
    Backup first(repository, source, options, progress, stop);
    auto done = first.run();
    if (done.ok() || !first.may_go_without_parent(done.error())) return done;
    // A prune has moved what a write-only client has to read of its parent, to where it cannot.
    repository.forget_own_point(*first.parent());
    return Backup(repository, source, options, progress, std::move(stop)).run_without_parent();
}

}  // namespace holdfast
