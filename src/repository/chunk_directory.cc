#include "repository/chunk_directory.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <queue>

#include "base/file_io.h"

namespace holdfast {
namespace {

// Layout, all numbers of this machine's order (the cache is its own): magic, 8 | fragments, 8 | chunks, 8 |
// fragment ids, 16 each | keys, 8 each | places, 8 each.
constexpr std::uint64_t directory_magic = 0x31305249'44434648u;
constexpr std::size_t header_bytes = 24, key_bytes = 8, place_bytes = 8;
constexpr std::size_t buffer_bytes = 64u << 10;

std::uint64_t load_u64(const std::uint8_t* from) {
    std::uint64_t value = 0;
    std::memcpy(&value, from, sizeof value);
    return value;
}

// Appends to a stretch of a file.
class Stretch {
  public:
    Stretch(int fd, std::uint64_t offset) : fd_(fd), offset_(offset) {}

    Status append(const void* data, std::size_t bytes) {
        const auto* const begin = static_cast<const std::uint8_t*>(data);
        buffer_.insert(buffer_.end(), begin, begin + bytes);
        return buffer_.size() < buffer_bytes ? ok_status() : flush();
    }
    Status flush() {
        HF_TRY_STATUS(write_at(fd_, buffer_, offset_, "the chunk directory"));
        offset_ += buffer_.size();
        buffer_.clear();
        return {};
    }

  private:
    const int fd_;
    std::uint64_t offset_;
    Bytes buffer_;
};

// The next chunk of a fragment.
struct Cursor {
    std::uint64_t key = 0;
    ChunkDirectory::Place place;

    bool operator>(const Cursor& other) const {
        return std::tie(key, place.fragment, place.chunk) >
               std::tie(other.key, other.place.fragment, other.place.chunk);
    }
};

Status merge(std::span<const ChunkDirectory::Covered> covered, Stretch& keys, Stretch& places) {
    std::priority_queue<Cursor, std::vector<Cursor>, std::greater<>> next;
    for (std::uint32_t i = 0; i < covered.size(); ++i)
        if (covered[i].fragment->chunk_count() != 0)
            next.push({covered[i].fragment->first_bytes(0), {i, 0}});
    while (!next.empty()) {
        Cursor cursor = next.top();
        next.pop();
        HF_TRY_STATUS(keys.append(&cursor.key, key_bytes));
        HF_TRY_STATUS(places.append(&cursor.place, place_bytes));
        const FlatFragment& fragment = *covered[cursor.place.fragment].fragment;
        if (++cursor.place.chunk == fragment.chunk_count()) continue;
        cursor.key = fragment.first_bytes(cursor.place.chunk);
        next.push(cursor);
    }
    HF_TRY_STATUS(keys.flush());
    return places.flush();
}

}  // namespace

Status ChunkDirectory::build(const std::string& path, std::span<const Covered> covered) {
    static_assert(sizeof(Place) == place_bytes);
    std::uint64_t chunks = 0;
    for (const Covered& one : covered) chunks += one.fragment->chunk_count();
    const std::string temporary = path + ".new";
    HF_TRY(const UniqueFd fd, open_successor(temporary, 0600));
    Stretch head(fd.get(), 0);
    const std::uint64_t numbers[] = {directory_magic, covered.size(), chunks};
    HF_TRY_STATUS(head.append(numbers, sizeof numbers));
    for (const Covered& one : covered)
        HF_TRY_STATUS(head.append(one.id.bytes.data(), one.id.bytes.size()));
    HF_TRY_STATUS(head.flush());
    const std::uint64_t keys_at = header_bytes + 16 * covered.size();
    Stretch keys(fd.get(), keys_at), places(fd.get(), keys_at + key_bytes * chunks);
    HF_TRY_STATUS(merge(covered, keys, places));
    if (::fsync(fd.get()) != 0) return Error::from_errno(errno, temporary);
    if (::rename(temporary.c_str(), path.c_str()) != 0) return Error::from_errno(errno, path);
    return {};
}

Result<std::shared_ptr<const ChunkDirectory>> ChunkDirectory::open(const std::string& path) {
    std::shared_ptr<ChunkDirectory> directory(new ChunkDirectory);
    HF_TRY(directory->file_, MappedFile::open(path));
    const ByteSpan bytes = directory->file_.bytes();
    const Error torn(ErrorCode::corrupt, "damaged chunk directory");
    if (bytes.size() < header_bytes || load_u64(bytes.data()) != directory_magic) return torn;
    const std::uint64_t fragments = load_u64(bytes.data() + 8), chunks = load_u64(bytes.data() + 16);
    const std::uint64_t rest = bytes.size() - header_bytes;
    if (fragments > rest / 16 || chunks > rest / (key_bytes + place_bytes) ||
        16 * fragments + (key_bytes + place_bytes) * chunks != rest)
        return torn;
    const std::uint8_t* at = bytes.data() + header_bytes;
    directory->fragments_.resize(static_cast<std::size_t>(fragments));
    for (ObjectId& id : directory->fragments_) {
        std::memcpy(id.bytes.data(), at, 16);
        at += 16;
    }
    directory->count_ = static_cast<std::size_t>(chunks);
    directory->keys_ = at;
    directory->places_ = at + key_bytes * chunks;
    return std::shared_ptr<const ChunkDirectory>(std::move(directory));
}

std::uint64_t ChunkDirectory::key(std::size_t number) const {
    return load_u64(keys_ + key_bytes * number);
}

void ChunkDirectory::find(const ChunkId& id, const std::function<bool(const Place&)>& visit) const {
    const std::uint64_t wanted = first_bytes_of(id.bytes.data());
    std::size_t at = first_not_below(wanted, count_, [this](std::size_t i) { return key(i); });
    for (; at < count_ && key(at) == wanted; ++at) {
        Place place;
        std::memcpy(&place, places_ + place_bytes * at, place_bytes);
        if (!visit(place)) return;
    }
}

}  // namespace holdfast
