#include "backup/chunk_sink.h"

#include "repository/fingerprints.h"
#include "repository/thinning.h"

namespace holdfast {
namespace {

// Content bytes of an independently sealed frame of changed pages: what a random read unpacks.
constexpr std::uint8_t page_frame_log2 = 16;

}  // namespace

ChunkSink::ChunkSink(WriteSession& session,
                     const Keyring& keyring,
                     CompressionLevel level,
                     std::size_t threads)
    : session_(session),
      keyring_(keyring),
      level_(level),
      pool_(std::make_unique<WorkerPool>(threads, queued_chunks)) {}

Status ChunkSink::status() const {
    return failure_.status();
}

Status ChunkSink::wait_idle() {
    pool_->wait_idle();
    return status();
}

Status ChunkSink::finish() {
    pool_.reset();
    return status();
}

void ChunkSink::submit(Job job) {
    // std::function wants to be copied; the job does not.
    auto shared = std::make_shared<Job>(std::move(job));
    pool_->submit([this, shared] { run(*shared); });
}

void ChunkSink::run(const Job& job) {
    if (!status().ok()) return;
    auto compressor =
        compressors_.take([this] { return std::make_unique<Compressor>(level_); });
    // A file of pages is read once and kept for long: its first version is worth the time.
    const MatchTables tables =
        job.members.lengths.empty() ? MatchTables::usual : MatchTables::in_cache;
    EncodedChunk chunk = encode_chunk(job.id, job.purpose, {job.members, {}}, job.content,
                                      job.frame_log2, *compressor, tables);
    compressors_.give_back(std::move(compressor));
    Status stored = session_.append(std::move(chunk));
    if (stored.ok()) stored = session_.maybe_checkpoint();
    failure_.note(std::move(stored));
}

ChunkId ChunkSink::put_paged(ByteSpan content, std::uint32_t page_bytes) {
    ChunkIdBuilder builder(ChunkPurpose::data);
    const std::size_t whole = content.size() / page_bytes;
    std::vector<Digest> hashes(whole);
    keyed_hash_pages(keyring_.member_key(), content.first(whole * page_bytes), page_bytes, hashes);
    for (const Digest& hash : hashes) builder.add(page_bytes, hash);
    if (const ByteSpan rest = content.subspan(whole * page_bytes); !rest.empty()) {
        hashes.push_back(keyed_hash(keyring_.member_key(), rest));
        builder.add(rest.size(), hashes.back());
    }
    const ChunkId id = builder.finish(keyring_.id_key());
    if (!session_.claim(id)) return id;
    Job job{id, ChunkPurpose::data, Bytes(content.begin(), content.end()), {}, 0};
    job.members.uniform_bytes = page_bytes;
    submit(std::move(job));
    put_fingerprints(id, page_bytes, hashes);
    return id;
}

ChunkId ChunkSink::put_members(Bytes content,
                               std::vector<std::uint32_t> lengths,
                               std::span<const Digest> hashes) {
    ChunkIdBuilder builder(ChunkPurpose::data);
    for (std::size_t i = 0; i < lengths.size(); ++i) builder.add(lengths[i], hashes[i]);
    const ChunkId id = builder.finish(keyring_.id_key());
    if (!session_.claim(id)) return id;
    Job job{id, ChunkPurpose::data, std::move(content), {}, 0};
    job.members.lengths = std::move(lengths);
    submit(std::move(job));
    return id;
}

ChunkId ChunkSink::put_pages(Bytes content,
                             std::uint32_t page_bytes,
                             std::span<const Digest> hashes) {
    ChunkIdBuilder builder(ChunkPurpose::data);
    const MemberLayout layout{{}, page_bytes};
    const auto raw = static_cast<std::uint32_t>(content.size());
    for (std::size_t i = 0; i < hashes.size(); ++i) builder.add(layout.length(i, raw), hashes[i]);
    const ChunkId id = builder.finish(keyring_.id_key());
    if (!session_.claim(id)) return id;
    Job job{id, ChunkPurpose::data, std::move(content), layout, page_frame_log2};
    submit(std::move(job));
    put_fingerprints(id, page_bytes, hashes);
    return id;
}

void ChunkSink::put_fingerprints(const ChunkId& chunk,
                                 std::uint32_t page_bytes,
                                 std::span<const Digest> hashes) {
    Job job{fingerprints_id(keyring_, chunk), ChunkPurpose::fingerprints, {}, {}, 0};
    if (!session_.claim(job.id)) return;
    ByteWriter out(job.content);
    out.varint(page_bytes);
    for (const Digest& hash : hashes) out.u64(fingerprint_of(hash));
    submit(std::move(job));
}

Result<std::optional<PageFingerprints>> read_fingerprints(Repository& repository,
                                                          const ChunkId& chunk) {
    HF_TRY(Index* const index, repository.index());
    const auto located = index->locate(fingerprints_id(repository.keyring(), chunk));
    if (!located.ok()) {
        if (located.error().code() == ErrorCode::not_found)
            return std::optional<PageFingerprints>();
        return located.error();
    }
    // Nothing proves them: those of a write-only client could hide a change from anybody else.
    if (located->container.header.is_claim() && repository.keyring().role() == KeyRole::full)
        return std::optional<PageFingerprints>();
    HF_TRY(ChunkReader* const chunks, repository.chunks());
    HF_TRY(const ChunkContent content, chunks->read(*located));
    ByteReader in(content.bytes);
    PageFingerprints result;
    result.page_bytes = static_cast<std::uint32_t>(in.varint_at_most(65536));
    while (in.ok() && !in.at_end()) result.pages.push_back(in.u64());
    if (!in.ok()) return Error(ErrorCode::corrupt, "damaged page fingerprints");
    return std::optional<PageFingerprints>(std::move(result));
}

}  // namespace holdfast
