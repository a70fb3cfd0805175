#include "repository/index.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>

#include "base/file_io.h"

namespace holdfast {
namespace {

// Layout: magic, 8 | bytes of the record, 8 | chunk count, 8 | bytes of frame sizes, 8 | the record
// without chunks, padded to 8 | ids, 32 each | locations, 32 each | frame sizes, varints.
constexpr std::uint64_t flat_magic = 0x31305849'54534648u;
constexpr std::size_t header_bytes = 32, location_bytes = 32;

// The rank of a place that nothing can be read from.
constexpr int worthless = 8;

Error torn() {
    return {ErrorCode::corrupt, "damaged index cache"};
}

// A torn cache file must not send a read beyond its object.
bool is_within(const ChunkLocation& location, const Container& container) {
    const std::uint64_t total = location.stored_bytes();
    return !location.frame_bytes.empty() && location.offset <= container.object_bytes &&
           total <= container.object_bytes - location.offset;
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
    HF_TRY(const UniqueFd fd, open_file(path, O_RDONLY));
    struct stat info{};
    if (::fstat(fd.get(), &info) != 0) return Error::from_errno(errno, path);
    const std::size_t bytes = static_cast<std::size_t>(info.st_size);
    if (bytes < header_bytes) return torn();
    void* mapping = ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, fd.get(), 0);
    if (mapping == MAP_FAILED) return Error::from_errno(errno, path);
    std::shared_ptr<FlatFragment> fragment(new FlatFragment);
    fragment->mapping_ = mapping;
    fragment->mapping_bytes_ = bytes;
    fragment->data_ = {static_cast<const std::uint8_t*>(mapping), bytes};
    return open(std::move(fragment));
}

FlatFragment::~FlatFragment() {
    if (mapping_ != nullptr) ::munmap(mapping_, mapping_bytes_);
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

namespace {

// Of an id, as a number in the order of ids.
std::uint64_t first_bytes(const std::uint8_t* id) {
    std::uint64_t key = 0;
    std::memcpy(&key, id, sizeof key);
    return __builtin_bswap64(key);
}

}  // namespace

std::optional<std::size_t> FlatFragment::find(const ChunkId& id) const {
    // Ids are uniform, so a guess by the first eight bytes between those of the bounds comes close within a
    // few steps; after these the window is halved, so that the worst case stays logarithmic.
    constexpr int guesses = 4;
    const std::uint64_t key = first_bytes(id.bytes.data());
    std::size_t low = 0, high = count_;
    std::uint64_t low_key = 0, high_key = UINT64_MAX;
    for (int step = 0; low < high; ++step) {
        std::size_t middle = low + (high - low) / 2;
        if (step < guesses && low_key <= key && key <= high_key && low_key < high_key) {
            const double share = static_cast<double>(key - low_key) /
                                 static_cast<double>(high_key - low_key);
            middle = low + static_cast<std::size_t>(share * static_cast<double>(high - low));
            middle = std::min(middle, high - 1);
        }
        const std::uint8_t* const there = ids_ + 32 * middle;
        const std::uint64_t found = first_bytes(there);
        const int order = found != key ? (found < key ? -1 : 1)
                                       : std::memcmp(there, id.bytes.data(), 32);
        if (order == 0) {
            while (middle > 0 && has(middle - 1, id)) --middle;
            return middle;
        }
        if (order < 0) {
            low = middle + 1;
            low_key = found;
        } else {
            high = middle;
            high_key = found;
        }
    }
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

void Index::add(std::shared_ptr<const FlatFragment> fragment, Origin origin) {
    std::unique_lock lock(mutex_);
    fragments_.push_back(std::move(fragment));
    origins_.push_back(origin);
}

std::optional<IndexPosition> Index::find(const ChunkId& id, const ChunkRange& part) const {
    std::optional<IndexPosition> best;
    int best_rank = worthless;
    for (std::size_t number = fragments_.size(); number-- > 0 && best_rank > 0;) {
        const FlatFragment& fragment = *fragments_[number];
        const auto first = fragment.find(id);
        for (std::size_t i = first.value_or(fragment.chunk_count());
             i < fragment.chunk_count() && fragment.has(i, id); ++i) {
            const int rank = rank_of(number, i, part);
            if (rank >= best_rank) continue;
            best_rank = rank;
            best = IndexPosition{number, i};
        }
    }
    return best;
}

// How little a place is worth.
int Index::rank_of(std::size_t number, std::size_t chunk, const ChunkRange& part) const {
    const FlatFragment& fragment = *fragments_[number];
    int rank = origins_[number] == Origin::fragment ? 0 : 2;
    if (fragment.is_thinned(chunk)) {
        if (!fragment.location(chunk).has(part)) return worthless;
        ++rank;
    }
    if (excluded_.empty() && condemned_.empty()) return rank;
    const std::uint32_t container = fragment.container_of(chunk);
    // Of a damaged fragment locate() says what it is.
    if (container >= fragment.containers().size()) return rank;
    const ObjectId& object = fragment.containers()[container].header.object;
    if (excluded_.contains(object)) return worthless;
    return condemned_.contains(object) ? rank + 4 : rank;
}

bool Index::contains(const ChunkId& id, const ChunkRange& part) const {
    std::shared_lock lock(mutex_);
    const auto found = find(id, part);
    if (!found || condemned_.empty()) return found.has_value();
    const FlatFragment& fragment = *fragments_[found->fragment];
    const std::uint32_t container = fragment.container_of(found->chunk);
    return container < fragment.containers().size() &&
           !condemned_.contains(fragment.containers()[container].header.object);
}

void Index::exclude(const ObjectId& container) {
    std::unique_lock lock(mutex_);
    excluded_.insert(container);
}

void Index::condemn(const ObjectId& container) {
    std::unique_lock lock(mutex_);
    condemned_.insert(container);
}

bool Index::is_condemned(const ObjectId& container) const {
    std::shared_lock lock(mutex_);
    return condemned_.contains(container);
}

void Index::clear() {
    std::unique_lock lock(mutex_);
    fragments_.clear();
    origins_.clear();
    excluded_.clear();
    condemned_.clear();
}

std::optional<IndexPosition> Index::position_of(const ChunkId& id, const ChunkRange& part) const {
    std::shared_lock lock(mutex_);
    return find(id, part);
}

std::uint32_t Index::raw_bytes(IndexPosition position) const {
    std::shared_lock lock(mutex_);
    return fragments_[position.fragment]->raw_bytes(position.chunk);
}

Result<LocatedChunk> Index::locate(const ChunkId& id, const ChunkRange& part) const {
    std::shared_lock lock(mutex_);
    const auto position = find(id, part);
    if (!position)
        return Error(ErrorCode::not_found,
                     "chunk " + id.hex().substr(0, 16) + " is not in the index");
    const FlatFragment& fragment = *fragments_[position->fragment];
    LocatedChunk found;
    found.location = fragment.location(position->chunk);
    if (found.location.container >= fragment.containers().size() ||
        found.location.frame_bytes.size() !=
            frame_count_of(found.location.raw_bytes, found.location.frame_log2))
        return torn();
    found.container = fragment.containers()[found.location.container];
    if (!is_within(found.location, found.container)) return torn();
    return found;
}

std::set<ObjectId> Index::containers() const {
    std::shared_lock lock(mutex_);
    std::set<ObjectId> ids;
    for (const auto& fragment : fragments_)
        for (const Container& container : fragment->containers())
            ids.insert(container.header.object);
    return ids;
}

std::vector<std::shared_ptr<const FlatFragment>> Index::fragments() const {
    std::shared_lock lock(mutex_);
    return fragments_;
}

}  // namespace holdfast
