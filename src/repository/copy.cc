#include "repository/copy.h"

#include <algorithm>
#include <cstring>

#include "base/disk_map.h"
#include "base/first_error.h"
#include "base/lending_pool.h"
#include "base/worker_pool.h"
#include "repository/fingerprints.h"
#include "repository/near_chunks.h"
#include "repository/thinning.h"
#include "repository/tree_builder.h"
#include "repository/tree_reader.h"

namespace holdfast {
namespace {

constexpr std::size_t window_chunks = 8192;

bool is_whole(const PointInfo& point) {
    return !point.is_deleted && !point.is_damaged && !point.is_incomplete && !point.is_unverified &&
           !point.record.is_partial;
}

bool is_tree(const Content& content) {
    return std::holds_alternative<RunContent>(content) || std::holds_alternative<ExtentTree>(content);
}

// An entry of the point, and what it was in the parent: as the source has that, and as the target has it. Both or none.
struct Versions {
    const Entry* parent = nullptr;
    const Entry* copied = nullptr;

    bool has(const Content& content) const { return parent != nullptr && parent->content == content; }
};

// A directory's entries with those of the same names in the parent's two versions.
class VersionedDirectory {
  public:
    static Result<VersionedDirectory> open(ChunkReader& source, ChunkReader& target, const Entry& directory,
                                           const Versions& versions) {
        const auto is_directory = [](const Entry* entry) {
            return entry != nullptr && entry->metadata.type == EntryType::directory ? entry : nullptr;
        };
        HF_TRY(auto entries, EntryStream::open(source, &directory));
        HF_TRY(auto parents, EntryStream::open(source, is_directory(versions.parent)));
        HF_TRY(auto copies, EntryStream::open(target, is_directory(versions.copied)));
        return VersionedDirectory(std::move(entries), std::move(parents), std::move(copies));
    }

    // Calls `visit` for each entry.
    template <typename Visit>
    Status for_each(Visit visit) {
        for (;;) {
            HF_TRY(const Entry* const entry, entries_.peek());
            if (entry == nullptr) return {};
            HF_TRY(const Entry* const parent, advance_to(parents_, entry->name));
            HF_TRY(const Entry* const copied, advance_to(copies_, entry->name));
            const bool has_both = parent != nullptr && copied != nullptr;
            HF_TRY_STATUS(visit(*entry, has_both ? Versions{parent, copied} : Versions{}));
            entries_.advance();
        }
    }

  private:
    VersionedDirectory(EntryStream entries, EntryStream parents, EntryStream copies)
        : entries_(std::move(entries)), parents_(std::move(parents)), copies_(std::move(copies)) {}

    // The entry of this name, or null.
    static Result<const Entry*> advance_to(EntryStream& stream, const std::string& name) {
        for (;;) {
            HF_TRY(const Entry* const entry, stream.peek());
            if (entry == nullptr || entry->name > name) return static_cast<const Entry*>(nullptr);
            if (entry->name == name) return entry;
            stream.advance();
        }
    }

    EntryStream entries_, parents_, copies_;
};

// One point on its way. The tree is walked twice: for the chunks that the target lacks, which are fetched window by
// window; then to build it anew out of their ids in the target.
class Copy {
  public:
    Copy(Repository& source, Repository& target, const PointInfo& point, Progress& progress, std::stop_token stop)
        : source_(source),
          target_(target),
          point_(point),
          progress_(progress),
          stop_(std::move(stop)),
          shares_ids_(std::ranges::equal(source.keyring().writer().hash_key.bytes(),
                                         target.keyring().writer().hash_key.bytes())),
          pool_(source.storage().traits().is_remote ? remote_threads : default_threads(), window_chunks) {}

    Result<CopyReport> run(const Versions& versions, const WriterIdentity& identity, const std::string& program,
                           const RestorePointId& parent);

  private:
    // Another place may have other parts of a chunk.
    Result<DiskMap::Key> key_of(const WantedChunk& wanted) const;
    void learn(const Versions& versions);
    Status want_entry(const Entry& entry, const Versions& versions);
    Status want(const WantedChunk& wanted);
    Status flush();
    void fetch(std::span<const WantedChunk> wanted);
    Status store(const WantedChunk& wanted, const ReadFrom* from, ChunkContent content);
    Result<EncodedChunk> encoded(const WantedChunk& wanted, const ReadFrom* from, ChunkContent content);
    Status store_fingerprints(const ChunkId& id);
    Result<ChunkId> id_in_target(const WantedChunk& wanted);
    Result<Content> build(const Entry& entry, const Versions& versions);
    Result<Content> build_file(const Entry& file);
    Status interrupted() const {
        return stop_.stop_requested() ? Status(Error(ErrorCode::cancelled, "interrupted")) : first_error_.status();
    }

    Repository& source_;
    Repository& target_;
    const PointInfo& point_;
    Progress& progress_;
    const std::stop_token stop_;
    const bool shares_ids_;
    Index* index_ = nullptr;          // of the source
    ChunkReader* chunks_ = nullptr;   // of the source
    ChunkReader* copied_ = nullptr;   // of the target
    std::unique_ptr<WriteSession> session_;
    std::optional<NodeStore> nodes_;
    std::vector<WantedChunk> window_;
    LendingPool<Compressor> compressors_;
    FirstError first_error_;
    std::mutex mutex_;  // guards what follows
    DiskMap ids_;       // key_of() -> the id in the target; empty where ids are shared
    CopyReport report_;
    WorkerPool pool_;  // ends first
};

Result<DiskMap::Key> Copy::key_of(const WantedChunk& wanted) const {
    HF_TRY(const LocatedChunk place, index_->locate(wanted.id, wanted.part));
    Hasher hasher;
    hasher.update(wanted.id.bytes);
    for (const ChunkRange& gone : place.location.absent) {
        Bytes range;
        ByteWriter out(range);
        out.u32(gone.offset);
        out.u32(gone.bytes);
        hasher.update(range);
    }
    const Digest digest = hasher.finish();
    DiskMap::Key key;
    std::memcpy(&key, digest.bytes.data(), sizeof key);
    return key;
}

WantedChunk wanted_of(const Run& run) {
    return {run.chunk, {run.chunk_offset, static_cast<std::uint32_t>(run.bytes)}};
}

// The parent's file has the same runs in both repositories: what is still the same needs not be read to know its id.
void Copy::learn(const Versions& versions) {
    if (shares_ids_ || versions.parent == nullptr || !is_tree(versions.parent->content) ||
        !is_tree(versions.copied->content))
        return;
    std::vector<Run> runs;
    constexpr std::size_t max_runs = 100'000;  // 6 MiB; files of more are read again
    const Error too_many(ErrorCode::unsupported, "too many runs");
    const auto collect = [&](const Run& run) -> Status {
        if (runs.size() >= max_runs) return too_many;
        runs.push_back(run);
        return {};
    };
    if (!for_each_run(*chunks_, *versions.parent, collect).ok()) return;
    std::size_t at = 0;
    const auto note = [&](const Run& copy) -> Status {
        if (at >= runs.size()) return too_many;
        const Run& run = runs[at++];
        if (run.kind != copy.kind || run.bytes != copy.bytes || run.chunk_offset != copy.chunk_offset) return too_many;
        if (run.kind != RunKind::data) return {};
        const auto key = key_of(wanted_of(run));
        if (!key.ok() || !session_->contains(copy.chunk)) return {};
        return ids_.insert(*key, copy.chunk.bytes).ok() ? ok_status() : too_many;
    };
    // What it does not tell is read.
    (void)for_each_run(*copied_, *versions.copied, note).ok();
}

Status Copy::want_entry(const Entry& entry, const Versions& versions) {
    HF_TRY_STATUS(interrupted());
    if (entry.metadata.type == EntryType::directory) {
        if (versions.has(entry.content)) return {};
        HF_TRY(auto directory, VersionedDirectory::open(*chunks_, *copied_, entry, versions));
        return directory.for_each([this](const Entry& child, const Versions& of_child) {
            return want_entry(child, of_child);
        });
    }
    ++progress_.entries;
    if (!is_tree(entry.content) || versions.has(entry.content)) return {};
    learn(versions);
    return for_each_run(*chunks_, entry, [this](const Run& run) -> Status {
        return run.kind == RunKind::data ? want(wanted_of(run)) : ok_status();
    });
}

Status Copy::want(const WantedChunk& wanted) {
    if (shares_ids_ && session_->contains(wanted.id, wanted.part)) return {};
    const auto key = key_of(wanted);
    if (key.ok()) {
        const std::lock_guard lock(mutex_);
        HF_TRY(const auto known, ids_.find(*key));
        if (known) return {};
    }
    window_.push_back(wanted);
    return window_.size() >= window_chunks ? flush() : ok_status();
}

// Fetches what the window wants.
Status Copy::flush() {
    std::vector<WantedChunk> sorted;
    std::vector<bool> begins_read;
    sorted.reserve(window_.size());
    std::optional<DiskMap::Key> last;
    for (const PlacedChunk& placed : order_by_place(window_, *index_)) {
        // Several runs may want one chunk.
        const auto key = key_of(window_[placed.number]);
        if (key.ok() && last && *key == *last) continue;
        last = key.ok() ? std::optional(*key) : std::nullopt;
        sorted.push_back(window_[placed.number]);
        begins_read.push_back(placed.begins_read);
    }
    window_.clear();
    const TaskRule rule = task_rule_for(source_.storage().traits());
    for (std::size_t begin = 0, end = 0; begin < sorted.size(); begin = end) {
        for (std::uint64_t bytes = 0; end < sorted.size(); ++end) {
            if (end > begin && rule.ends_before(begins_read[end], bytes)) break;
            bytes += sorted[end].part.bytes;
        }
        pool_.submit([this, part = std::span<const WantedChunk>(sorted).subspan(begin, end - begin)] { fetch(part); });
    }
    pool_.wait_idle();
    HF_TRY_STATUS(interrupted());
    return session_->maybe_checkpoint();
}

void Copy::fetch(std::span<const WantedChunk> wanted) {
    if (!interrupted().ok()) return;
    read_near_chunks(*chunks_, *index_, wanted, [&](std::size_t i, const ReadFrom* from, Result<ChunkContent> content) {
        first_error_.note(content.ok() ? store(wanted[i], from, std::move(content).value()) : Status(content.error()));
    });
}

// As it is stored, where that is possible: it is not compressed again.
Result<EncodedChunk> Copy::encoded(const WantedChunk& wanted, const ReadFrom* from, ChunkContent content) {
    const bool keeps_form = from != nullptr && (shares_ids_ || content.absent.empty());
    const Keyring& keyring = target_.keyring();
    if (keeps_form) {
        HF_TRY(EncodedChunk chunk, chunks_->unseal_frames(from->chunk, from->stored));
        if (!shares_ids_) chunk.id = chunk_id_of(ChunkPurpose::data, content.header, content.bytes, keyring);
        return chunk;
    }
    // Members that are gone are zeros from now on: their hashes are of the source's key.
    ChunkHeader header = content.header;
    if (!shares_ids_) header.absent.clear();
    const ChunkId id = shares_ids_ ? wanted.id : chunk_id_of(ChunkPurpose::data, header, content.bytes, keyring);
    const std::uint8_t frame_log2 = from != nullptr ? from->chunk.location.frame_log2 : std::uint8_t{0};
    auto compressor =
        compressors_.take([] { return std::make_unique<Compressor>(CompressionLevel::standard); });
    EncodedChunk chunk = encode_chunk(id, ChunkPurpose::data, header, content.bytes, frame_log2, *compressor,
                                      MatchTables::usual);
    compressors_.give_back(std::move(compressor));
    return chunk;
}

Status Copy::store(const WantedChunk& wanted, const ReadFrom* from, ChunkContent content) {
    HF_TRY(const DiskMap::Key key, key_of(wanted));
    const std::uint64_t bytes = content.bytes.size();
    HF_TRY(EncodedChunk chunk, encoded(wanted, from, std::move(content)));
    const ChunkId id = chunk.id;
    // A part that the target has no more is stored again.
    const bool is_new = shares_ids_ || session_->claim(id) || !session_->contains(id, wanted.part);
    if (is_new) HF_TRY_STATUS(session_->append(std::move(chunk)));
    if (shares_ids_) HF_TRY_STATUS(store_fingerprints(wanted.id));
    progress_.bytes += bytes;
    const std::lock_guard lock(mutex_);
    if (is_new) ++report_.chunks;
    report_.read_bytes += bytes;
    HF_TRY_STATUS(ids_.insert(key, shares_ids_ ? ByteSpan() : ByteSpan(id.bytes)));
    return {};
}

// They go where their chunk goes; most have none.
Status Copy::store_fingerprints(const ChunkId& chunk) {
    const ChunkId id = fingerprints_id(source_.keyring(), chunk);
    const auto place = index_->locate(id);
    if (!place.ok() || place->container.header.is_claim() || !session_->claim(id)) return {};
    HF_TRY(EncodedChunk frames, chunks_->read_frames(*place));
    return session_->append(std::move(frames));
}

Result<ChunkId> Copy::id_in_target(const WantedChunk& wanted) {
    if (shares_ids_) return wanted.id;
    HF_TRY(const DiskMap::Key key, key_of(wanted));
    const std::lock_guard lock(mutex_);
    HF_TRY(const auto id, ids_.find(key));
    ChunkId found;
    if (!id || id->size() != found.bytes.size())
        return Error(ErrorCode::conflict, "a prune moves what is copied: copy it again");
    std::copy(id->begin(), id->end(), found.bytes.begin());
    return found;
}

Result<Content> Copy::build_file(const Entry& file) {
    ExtentBuilder extents(*nodes_);
    HF_TRY_STATUS(for_each_run(*chunks_, file, [&](const Run& run) -> Status {
        Run copy = run;
        if (run.kind == RunKind::data) {
            HF_TRY(copy.chunk, id_in_target(wanted_of(run)));
        }
        return extents.add(copy);
    }));
    return extents.finish();
}

Result<Content> Copy::build(const Entry& entry, const Versions& versions) {
    HF_TRY_STATUS(interrupted());
    if (versions.has(entry.content)) return versions.copied->content;
    if (is_tree(entry.content)) return build_file(entry);
    if (entry.metadata.type != EntryType::directory) return entry.content;
    DirectoryBuilder builder(*nodes_);
    HF_TRY(auto directory, VersionedDirectory::open(*chunks_, *copied_, entry, versions));
    const Status built = directory.for_each([&](const Entry& child, const Versions& of_child) -> Status {
        Entry copy = child;
        HF_TRY(copy.content, build(child, of_child));
        HF_TRY_STATUS(session_->maybe_checkpoint());
        return builder.add(std::move(copy));
    });
    HF_TRY_STATUS(built);
    return builder.finish();
}

Result<CopyReport> Copy::run(const Versions& versions, const WriterIdentity& identity, const std::string& program,
                             const RestorePointId& parent) {
    HF_TRY(session_, WriteSession::begin(target_, identity));
    nodes_.emplace(*session_, target_.keyring());
    HF_TRY(index_, source_.index());
    HF_TRY(chunks_, source_.chunks());
    HF_TRY(copied_, target_.chunks());
    RestorePointRecord record = point_.record;
    Status copied = want_entry(point_.record.root, versions);
    if (copied.ok()) copied = flush();
    if (copied.ok()) {
        auto content = build(point_.record.root, versions);
        if (content.ok()) record.root.content = std::move(content).value();
        else copied = content.error();
    }
    if (!copied.ok()) {
        // What was copied is there for the next try.
        pool_.wait_idle();
        HF_TRY_STATUS(session_->abandon());
        return std::move(copied).error();
    }
    record.origin = origin_of(point_);
    record.parent = parent;
    record.base_full = {};
    record.session = session_->id();
    record.program = program;
    HF_TRY(const WriteSession::Committed committed, session_->commit(record));
    report_.point = committed.id;
    report_.record = std::move(record);
    report_.stored_bytes = committed.stored_bytes;
    return report_;
}

}  // namespace

RestorePointId origin_of(const PointInfo& point) {
    return point.record.origin == RestorePointId{} ? point.id : point.record.origin;
}

Result<CopyTarget> CopyTarget::open(Repository& repository) {
    CopyTarget target(repository);
    HF_TRY(target.points_, repository.points(std::nullopt));
    return target;
}

const PointInfo* CopyTarget::find(const PointInfo& point) const {
    const RestorePointId origin = origin_of(point);
    const auto found = std::find_if(points_.begin(), points_.end(), [&origin](const PointInfo& one) {
        return is_whole(one) && origin_of(one) == origin;
    });
    return found == points_.end() ? nullptr : &*found;
}

Result<CopyReport> copy_point(Repository& source,
                              const std::vector<PointInfo>& source_points,
                              const PointInfo& point,
                              CopyTarget& target,
                              const WriterIdentity& identity,
                              const std::string& program,
                              Progress& progress,
                              std::stop_token stop) {
    for (const Repository* const repository : {&source, &target.repository()})
        if (repository->keyring().role() == KeyRole::writer)
            return Error(ErrorCode::permission_denied, "a write-only key neither reads nor writes copies");
    if (point.is_damaged) return *point.damage;
    const PointInfo *parent = nullptr, *copied = nullptr;
    for (const PointInfo& other : source_points) {
        if (!is_whole(other) || other.id == point.id || other.record.host != point.record.host ||
            other.record.name != point.record.name)
            continue;
        const PointInfo* const there = target.find(other);
        if (there == nullptr || (parent != nullptr && other.record.started <= parent->record.started)) continue;
        parent = &other;
        copied = there;
    }
    const Versions versions = parent == nullptr ? Versions{} : Versions{&parent->record.root, &copied->record.root};
    Copy copy(source, target.repository(), point, progress, std::move(stop));
    return copy.run(versions, identity, program, copied == nullptr ? RestorePointId{} : copied->id);
}

}  // namespace holdfast
