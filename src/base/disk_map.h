// A map that may be larger than memory.
#pragma once

#include <optional>
#include <unordered_map>

#include "base/bytes.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace holdfast {

// Pairs of numbers to byte strings. The first entries are held in memory, up to `memory_bytes`; when
// there are more, all of them stand in unlinked temporary files, of which one is mapped: page cache,
// not memory of the process. Not thread-safe. Errors: of the temporary files.
class DiskMap {
  public:
    struct Key {
        std::uint64_t first = 0, second = 0;
        bool operator==(const Key&) const = default;
    };
    static constexpr std::size_t usual_memory_bytes = 4u << 20;

    explicit DiskMap(std::size_t memory_bytes = usual_memory_bytes) : memory_bytes_(memory_bytes) {}
    ~DiskMap() { clear(); }
    DiskMap(const DiskMap&) = delete;
    DiskMap& operator=(const DiskMap&) = delete;

    // False when the key is there already: it keeps its value.
    Result<bool> insert(const Key& key, ByteSpan value);
    // Nothing when the key is not there.
    Result<std::optional<Bytes>> find(const Key& key) const;
    std::size_t size() const { return memory_.size() + count_; }
    void clear();

  private:
    struct KeyHash {
        std::size_t operator()(const Key& key) const;
    };
    struct Slot {
        Key key;
        std::uint64_t offset_and_one = 0;  // of the value in its file; 0: the slot is free
        std::uint64_t bytes = 0;
    };

    Status move_to_disk();
    Status grow(std::size_t slots);
    Slot* slot_of(const Key& key) const;
    Status insert_on_disk(const Key& key, ByteSpan value);

    const std::size_t memory_bytes_;
    std::unordered_map<Key, Bytes, KeyHash> memory_;
    std::size_t used_bytes_ = 0;

    UniqueFd values_;
    std::uint64_t values_bytes_ = 0;  // in the file and in `unwritten_`
    Bytes unwritten_;                 // the last values: at most 64 KiB and one
    Slot* slots_ = nullptr;           // mapped
    std::size_t slot_count_ = 0;      // a power of two
    std::size_t count_ = 0;
};

}  // namespace holdfast
