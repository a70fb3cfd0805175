#include "repository/fragmentation.h"

#include "base/string_sorter.h"
#include "repository/chunk_marker.h"
#include "repository/near_chunks.h"

namespace holdfast {
namespace {

constexpr std::uint64_t read_cost_bytes = 1u << 20;
constexpr std::uint64_t full_pack_bytes = 32u << 20;

// A chunk's place, so that places sort as they stand: container, offset, bytes.
std::string place_of(const LocatedChunk& chunk) {
    Bytes text;
    ByteWriter out(text);
    out.bytes(chunk.container.header.object.bytes);
    for (int shift = 56; shift >= 0; shift -= 8) out.u8(static_cast<std::uint8_t>(chunk.location.offset >> shift));
    out.u64(chunk.location.stored_bytes());
    return std::string(as_text(text));
}

void add_place(std::string_view place, std::string& container, std::uint64_t& end, Fragmentation& result) {
    ByteReader in(as_bytes(place));
    const std::string object(as_text(in.bytes(ObjectId::size)));
    std::uint64_t offset = 0;
    for (int i = 0; i < 8; ++i) offset = offset << 8 | in.u8();
    const std::uint64_t bytes = in.u64();
    const bool is_other = object != container;
    if (is_other) ++result.containers;
    if (is_other || offset > end + max_gap_bytes) ++result.reads;
    else if (offset > end) result.gap_bytes += offset - end;
    container = object;
    end = offset + bytes;
    result.needed_bytes += bytes;
}

}  // namespace

unsigned Fragmentation::percent() const {
    const std::uint64_t least_reads = (needed_bytes + full_pack_bytes - 1) / full_pack_bytes;
    const double least = static_cast<double>(needed_bytes + least_reads * read_cost_bytes);
    const double now = static_cast<double>(needed_bytes + gap_bytes + reads * read_cost_bytes);
    return least == 0 ? 100 : static_cast<unsigned>(100 * now / least);
}

Result<Fragmentation> measure_fragmentation(Repository& repository, const Entry& root, const std::stop_token& stop) {
    HF_TRY(Index* const index, repository.index());
    HF_TRY(ChunkReader* const chunks, repository.chunks());
    StringSorter places;
    ChunkMarker walk(*index, *chunks, repository.keyring());
    walk.on_mark = [&](const ChunkId& id, const ChunkRange& part) -> Status {
        if (stop.stop_requested()) return Error(ErrorCode::cancelled, "interrupted");
        HF_TRY(const LocatedChunk chunk, index->locate(id, part));
        if (chunk.location.purpose != ChunkPurpose::data) return {};
        return places.add(place_of(chunk));
    };
    HF_TRY_STATUS(walk.mark(root));
    HF_TRY_STATUS(places.finish());
    Fragmentation result;
    std::string place, container;
    std::uint64_t end = 0;
    for (;;) {
        HF_TRY(const bool has_place, places.next(place));
        if (!has_place) return result;
        add_place(place, container, end, result);
    }
}

}  // namespace holdfast
