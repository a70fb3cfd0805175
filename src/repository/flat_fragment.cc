#include "repository/flat_fragment.h"

namespace holdfast {
namespace {

// Layout: magic, 8 | bytes of the record, 8 | chunk count, 8 | bytes of frame sizes, 8 | the record
// without chunks, padded to 8 | ids, 32 each | locations, 32 each | frame sizes, varints.
constexpr std::uint64_t flat_magic = 0x31305849'54534648u;
constexpr std::size_t header_bytes = 32, location_bytes = 32;

Error torn() {
    return {ErrorCode::corrupt, "damaged index cache"};
}

std::size_t padded(std::size_t bytes) {
    return (bytes + 7) / 8 * 8;
}

}  // namespace

Bytes FlatFragment::layout(const IndexFragmentRecord& record) {
    IndexFragmentRecord head = record;
    head.chunks.clear();
    const Bytes head_bytes = encode_index_fragment(head);
    Bytes frames;
    ByteWriter frame_writer(frames);
    Bytes flat;
    ByteWriter out(flat);
    flat.reserve(header_bytes + padded(head_bytes.size()) + record.chunks.size() * 70);
    out.u64(flat_magic);
    out.u64(head_bytes.size());
    out.u64(record.chunks.size());
    out.u64(0);
    out.bytes(head_bytes);
    flat.resize(header_bytes + padded(head_bytes.size()));
    for (const ChunkLocation& chunk : record.chunks) out.bytes(chunk.id.bytes);
    for (const ChunkLocation& chunk : record.chunks) {
        out.u32(chunk.container);
        out.u32(chunk.first_frame);
        out.u64(chunk.offset);
        out.u32(chunk.raw_bytes);
        out.u32(pack_layout(chunk));
        out.u64(frames.size());
        encode_frames(chunk, frame_writer);
    }
    out.bytes(frames);
    for (std::size_t i = 0; i < 8; ++i)
        flat[24 + i] = static_cast<std::uint8_t>(std::uint64_t{frames.size()} >> (8 * i));
    return flat;
}

Result<std::shared_ptr<FlatFragment>> FlatFragment::from_memory(Bytes data) {
    std::shared_ptr<FlatFragment> fragment(new FlatFragment);
    fragment->memory_ = std::move(data);
    fragment->data_ = fragment->memory_;
    return open(std::move(fragment));
}

Result<std::shared_ptr<FlatFragment>> FlatFragment::from_file(const std::string& path) {
    std::shared_ptr<FlatFragment> fragment(new FlatFragment);
    HF_TRY(fragment->file_, MappedFile::open(path));
    fragment->data_ = fragment->file_.bytes();
    return open(std::move(fragment));
}

Result<std::shared_ptr<FlatFragment>> FlatFragment::open(std::shared_ptr<FlatFragment> fragment) {
    FlatFragment& f = *fragment;
    ByteReader in(f.data_);
    const std::uint64_t magic = in.u64();
    const std::uint64_t head = in.u64(), count = in.u64(), frames = in.u64();
    const std::uint64_t size = f.data_.size();
    if (!in.ok() || magic != flat_magic || head > size || count > size / 64 || frames > size)
        return torn();
    const std::size_t start = header_bytes + padded(static_cast<std::size_t>(head));
    if (start + count * (32 + location_bytes) + frames != size) return torn();
    HF_TRY(f.record_,
           decode_index_fragment(f.data_.subspan(header_bytes, static_cast<std::size_t>(head))));
    f.count_ = static_cast<std::size_t>(count);
    f.ids_ = f.data_.data() + start;
    f.locations_ = f.ids_ + 32 * f.count_;
    f.frames_ = f.data_.last(static_cast<std::size_t>(frames));
    return fragment;
}

ChunkId FlatFragment::id(std::size_t position) const {
    ChunkId id;
    std::memcpy(id.bytes.data(), ids_ + 32 * position, 32);
    return id;
}

std::optional<std::size_t> FlatFragment::find(const ChunkId& id) const {
    const std::uint64_t wanted = first_bytes_of(id.bytes.data());
    std::size_t at = first_not_below(wanted, count_, [this](std::size_t i) { return first_bytes(i); });
    for (; at < count_ && first_bytes(at) == wanted; ++at)
        if (has(at, id)) return at;
    return std::nullopt;
}

bool FlatFragment::has(std::size_t position, const ChunkId& id) const {
    return std::memcmp(ids_ + 32 * position, id.bytes.data(), 32) == 0;
}

std::uint32_t FlatFragment::container_of(std::size_t position) const {
    ByteReader in({locations_ + location_bytes * position, location_bytes});
    return in.u32();
}

std::uint32_t FlatFragment::raw_bytes(std::size_t position) const {
    ByteReader in({locations_ + location_bytes * position + 16, 4});
    return in.u32();
}

bool FlatFragment::is_thinned(std::size_t position) const {
    return (locations_[location_bytes * position + 20] & 0x80) != 0;
}

ChunkLocation FlatFragment::location(std::size_t position) const {
    ByteReader in({locations_ + location_bytes * position, location_bytes});
    ChunkLocation location;
    location.id = id(position);
    location.container = in.u32();
    location.first_frame = in.u32();
    location.offset = in.u64();
    location.raw_bytes = in.u32();
    const auto layout = static_cast<std::uint8_t>(in.u32());
    const std::uint64_t start = in.u64();
    if (start > frames_.size()) return location;
    ByteReader frames(frames_.subspan(static_cast<std::size_t>(start)));
    decode_frames(layout, frames, location);
    // A torn cache: locate() finds that there are no frames.
    if (!frames.ok()) location.frame_bytes.clear();
    return location;
}

}  // namespace holdfast
