#include "restore/object_content.h"

#include <algorithm>

#include "repository/tree_reader.h"

namespace holdfast {
namespace {

// Pieces that are read together: what stands near each other comes with one request of at most max_span_bytes.
constexpr std::size_t window_pieces = 64;
constexpr std::uint64_t window_bytes = 4u << 20;
constexpr std::size_t zero_bytes = 64u << 10;

ChunkRange range_of(const Run& run) { return {run.chunk_offset, static_cast<std::uint32_t>(run.bytes)}; }

void take_pieces(ChunkReader& chunks,
                 std::span<const ContentPiece> pieces,
                 Result<ChunkContent> content,
                 const TakePiece& take) {
    for (const ContentPiece& piece : pieces) {
        const Run& run = piece.run;
        // Where prune has thinned a chunk, another piece may stand elsewhere.
        if (content.ok() && !content->has(run.chunk_offset, run.bytes))
            content = chunks.read_part(run.chunk, ChunkPurpose::data, range_of(run));
        if (!content.ok()) take(piece, content.error());
        else if (!content->has(run.chunk_offset, run.bytes))
            take(piece, Error(ErrorCode::corrupt, "a run beyond its chunk's end"));
        else take(piece, ByteSpan(content->bytes).subspan(run.chunk_offset, static_cast<std::size_t>(run.bytes)));
    }
}

// Collects what follows each other in one file, and hands it on.
class Streamer {
  public:
    Streamer(ChunkReader& chunks, const Index& index, const std::function<Status(ByteSpan)>& take)
        : chunks_(chunks), index_(index), take_(take) {}

    Status add(const Run& run) {
        if (run.kind == RunKind::data) {
            pieces_.push_back({run, 0, 0});
            bytes_ += run.bytes;
            return pieces_.size() < window_pieces && bytes_ < window_bytes ? Status() : flush();
        }
        HF_TRY_STATUS(flush());
        const Bytes zeros(zero_bytes);
        for (std::uint64_t left = run.bytes; left != 0;) {
            const std::size_t part = static_cast<std::size_t>(std::min<std::uint64_t>(left, zeros.size()));
            HF_TRY_STATUS(take_(ByteSpan(zeros).first(part)));
            left -= part;
        }
        return {};
    }

    Status flush() {
        Status done;
        read_pieces(chunks_, index_, pieces_, [this, &done](const ContentPiece&, Result<ByteSpan> data) {
            if (done.ok()) done = data.ok() ? take_(*data) : Status(data.error());
        });
        pieces_.clear();
        bytes_ = 0;
        return done;
    }

  private:
    ChunkReader& chunks_;
    const Index& index_;
    const std::function<Status(ByteSpan)>& take_;
    std::vector<ContentPiece> pieces_;
    std::uint64_t bytes_ = 0;
};

}  // namespace

void read_pieces(ChunkReader& chunks, const Index& index, std::span<const ContentPiece> pieces, const TakePiece& take) {
    std::vector<WantedChunk> wanted;
    std::vector<std::span<const ContentPiece>> pieces_of;
    for (; !pieces.empty(); pieces = pieces.subspan(pieces_of.back().size())) {
        const Run& first = pieces.front().run;
        const auto end = std::find_if(pieces.begin(), pieces.end(), [&first](const ContentPiece& piece) {
            return piece.run.chunk != first.chunk;
        });
        wanted.push_back({first.chunk, range_of(first)});
        pieces_of.push_back(pieces.first(static_cast<std::size_t>(end - pieces.begin())));
    }
    read_near_chunks(chunks, index, wanted, [&](std::size_t i, const ReadFrom*, Result<ChunkContent> content) {
        take_pieces(chunks, pieces_of[i], std::move(content), take);
    });
}

Status stream_content(ChunkReader& chunks,
                      const Index& index,
                      const Entry& file,
                      const std::function<Status(ByteSpan)>& take) {
    if (const auto* const content = std::get_if<InlineContent>(&file.content)) return take(content->data);
    Streamer streamer(chunks, index, take);
    HF_TRY_STATUS(for_each_run(chunks, file, [&streamer](const Run& run) { return streamer.add(run); }));
    return streamer.flush();
}

}  // namespace holdfast
