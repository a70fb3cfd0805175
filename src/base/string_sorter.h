// Sorts more strings than fit in memory.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace holdfast {

// Byte strings come out in ascending order (bytes compared as unsigned numbers), each as often as it
// went in. First add(), then finish() once, then next(). Not thread-safe; may be moved.
// Memory: `memory_bytes`, with 8 bytes for each string; what is more is sorted part by part into a
// temporary file, and each part has a buffer of 32 KiB when they are merged.
// Errors: of the temporary file.
class StringSorter {
  public:
    static constexpr std::size_t usual_memory_bytes = 16u << 20;

    explicit StringSorter(std::size_t memory_bytes = usual_memory_bytes)
        : memory_bytes_(memory_bytes) {}

    Status add(std::string_view text);
    Status finish();
    // The next string; false at the end.
    Result<bool> next(std::string& text);

  private:
    struct Item {
        std::uint32_t offset = 0, bytes = 0;
    };
    // A sorted part of the file, and what of it has been read.
    struct Part {
        std::uint64_t position = 0, end = 0;  // of what is still to be read
        Bytes buffer;
        std::size_t used = 0;
        std::string current;
    };

    std::string_view text_of(const Item& item) const;
    void sort_items();
    Status write_part();
    Status fill(Part& part, std::size_t bytes);
    Result<bool> advance(Part& part);

    std::size_t memory_bytes_;
    Bytes texts_;
    std::vector<Item> items_;
    std::size_t next_item_ = 0;
    UniqueFd file_;
    std::uint64_t file_bytes_ = 0;
    std::vector<Part> parts_;
    std::vector<std::size_t> heap_;  // numbers of parts that have a current string, least first
};

}  // namespace holdfast
