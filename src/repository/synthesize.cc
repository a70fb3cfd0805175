#include "repository/synthesize.h"

#include "repository/chunk_marker.h"
#include "repository/fingerprints.h"
#include "repository/thinning.h"
#include "repository/tree_reader.h"
#include "repository/write_session.h"

namespace holdfast {
namespace {

class Synthesis {
  public:
    Synthesis(Repository& repository,
              const PointInfo& point,
              const WriterIdentity& identity,
              Progress& progress,
              std::stop_token stop)
        : repository_(repository),
          point_(point),
          identity_(identity),
          progress_(progress),
          stop_(std::move(stop)) {}

    Result<SynthesizeReport> run(const std::string& program);

  private:
    Status copy_tree();
    Status copy_data(const Entry& entry);
    Status copy_part(const ChunkId& id, const ChunkRange& part);
    Status copy_fingerprints(const ChunkId& chunk);
    Result<EncodedChunk> copy_of(const LocatedChunk& chunk, IndexPosition position);

    Repository& repository_;
    const PointInfo& point_;
    const WriterIdentity& identity_;
    Progress& progress_;
    const std::stop_token stop_;

    std::unique_ptr<WriteSession> session_;
    Index* index_ = nullptr;
    ChunkReader* chunks_ = nullptr;
    std::optional<ChunkMarker> needed_;  // which parts of its chunks the point needs
    std::optional<ChunkMarker> met_;     // what has been copied
    Compressor compressor_{CompressionLevel::standard};
    SynthesizeReport report_;
};

// Without the members that the point does not need, where they are most of the chunk.
Result<EncodedChunk> Synthesis::copy_of(const LocatedChunk& chunk, IndexPosition position) {
    HF_TRY(ChunkContent content, chunks_->read(chunk));
    report_.read_bytes += content.bytes.size();
    const auto parts = needed_->parts(position);
    const std::uint64_t dead =
        parts.empty() ? 0 : dead_bytes(content.header, chunk.location.raw_bytes, parts);
    if (dead <= content.bytes.size() / 2) return chunks_->read_frames(chunk);
    return thin(chunk, std::move(content), parts, repository_.keyring(), compressor_);
}

Status Synthesis::copy_part(const ChunkId& id, const ChunkRange& part) {
    if (stop_.stop_requested()) return Error(ErrorCode::cancelled, "interrupted");
    HF_TRY(const LocatedChunk chunk, index_->locate(id, part));
    // Nothing proves what a write-only client says of pages.
    if (chunk.container.header.is_claim() && chunk.location.purpose == ChunkPurpose::fingerprints) return {};
    // Copied before, and named by a fragment since.
    if (chunk.container.session == session_->id()) return {};
    const auto position = index_->position_of(id, part);
    HF_CHECK(position.has_value());
    HF_TRY(const bool is_new, met_->mark_chunk(id, part));
    if (!is_new) return {};
    HF_TRY(EncodedChunk copy, copy_of(chunk, *position));
    progress_.bytes += copy.raw_bytes;
    ++report_.chunks;
    const bool is_data = copy.purpose == ChunkPurpose::data;
    HF_TRY_STATUS(session_->append(std::move(copy)));
    HF_TRY_STATUS(session_->maybe_checkpoint());
    return is_data ? copy_fingerprints(id) : ok_status();
}

// They go where their chunk goes; most have none.
Status Synthesis::copy_fingerprints(const ChunkId& chunk) {
    const ChunkId id = fingerprints_id(repository_.keyring(), chunk);
    const auto located = index_->locate(id);
    if (!located.ok()) return {};
    return copy_part(id, whole_chunk);
}

Status Synthesis::copy_data(const Entry& entry) {
    if (entry.metadata.type != EntryType::file) return {};
    ++progress_.entries;
    return for_each_run(*chunks_, entry, [this](const Run& run) -> Status {
        if (run.kind != RunKind::data) return {};
        return copy_part(run.chunk, {run.chunk_offset, static_cast<std::uint32_t>(run.bytes)});
    });
}

// Data in the order in which a restore reads it, then the nodes.
Status Synthesis::copy_tree() {
    const Entry& root = point_.record.root;
    if (root.metadata.type == EntryType::directory) {
        HF_TRY_STATUS(for_each_entry_below(
            *chunks_, root, "", Recursion::all,
            [this](const std::string&, const Entry& entry) { return copy_data(entry); }));
    } else {
        HF_TRY_STATUS(copy_data(root));
    }
    ChunkMarker walk(*index_, *chunks_, repository_.keyring());
    walk.on_mark = [this](const ChunkId& id, const ChunkRange& part) { return copy_part(id, part); };
    return walk.mark(root);
}

Result<SynthesizeReport> Synthesis::run(const std::string& program) {
    if (repository_.keyring().role() == KeyRole::writer)
        return Error(ErrorCode::permission_denied, "a write-only key cannot read the repository");
    HF_TRY(session_, WriteSession::begin(repository_, identity_));
    session_->write_in_order();
    HF_TRY(index_, repository_.index());
    HF_TRY(chunks_, repository_.chunks());
    needed_.emplace(*index_, *chunks_, repository_.keyring());
    met_.emplace(*index_, *chunks_, repository_.keyring());
    progress_.total_bytes = point_.record.stats.content_bytes;
    Status copied = needed_->mark(point_.record.root);
    if (copied.ok()) copied = copy_tree();
    if (!copied.ok()) {
        // What was copied is garbage, which the next prune takes.
        HF_TRY_STATUS(session_->abandon());
        return std::move(copied).error();
    }
    RestorePointRecord record = point_.record;
    record.type = BackupType::synthetic_full;
    record.parent = point_.id;
    record.base_full = {};
    record.session = session_->id();
    record.program = program;
    record.finished = repository_.clock().now();
    record.stats.read_bytes = 0;
    HF_TRY(const WriteSession::Committed committed, session_->commit(record));
    report_.point = committed.id;
    report_.stored_bytes = committed.stored_bytes;
    return std::move(report_);
}

}  // namespace

Result<SynthesizeReport> synthesize(Repository& repository,
                                    const PointInfo& point,
                                    const WriterIdentity& identity,
                                    const std::string& program,
                                    Progress& progress,
                                    std::stop_token stop) {
    if (point.is_damaged) return *point.damage;
    return Synthesis(repository, point, identity, progress, std::move(stop)).run(program);
}

}  // namespace holdfast
