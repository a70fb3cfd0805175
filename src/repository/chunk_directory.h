// The chunks of many index fragments in one order, so that a look-up does not ask fragment by fragment.
#pragma once

#include <functional>
#include <memory>

#include "base/mapped_file.h"
#include "repository/flat_fragment.h"

namespace holdfast {

// The first eight bytes of each chunk's id, ascending, and where it is: 16 bytes a chunk, in a file of the
// local cache. Whether it is the chunk, its fragment says. Safe to lose. Immutable; thread-safe.
class ChunkDirectory {
  public:
    struct Covered {
        ObjectId id{};  // of the fragment's object
        std::shared_ptr<const FlatFragment> fragment;
    };
    struct Place {
        std::uint32_t fragment = 0;  // number in fragments()
        std::uint32_t chunk = 0;
    };

    // Merges what `covered` say into a file. Memory: 128 KiB and 32 bytes a fragment. Errors: of the file.
    static Status build(const std::string& path, std::span<const Covered> covered);
    // Errors: not_found, corrupt when it is not such a file.
    static Result<std::shared_ptr<const ChunkDirectory>> open(const std::string& path);

    const std::vector<ObjectId>& fragments() const { return fragments_; }
    std::size_t chunk_count() const { return count_; }
    // Calls `visit` for each place that may be of this chunk, until it returns false.
    void find(const ChunkId& id, const std::function<bool(const Place&)>& visit) const;

  private:
    ChunkDirectory() = default;
    std::uint64_t key(std::size_t number) const;

    MappedFile file_;
    std::vector<ObjectId> fragments_;
    std::size_t count_ = 0;
    const std::uint8_t* keys_ = nullptr;
    const std::uint8_t* places_ = nullptr;
};

}  // namespace holdfast
