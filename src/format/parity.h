// Error correction over an object's body: Reed–Solomon in GF(2^8), by isa-l. docs/format.md#parity.
#pragma once

#include <optional>
#include <vector>

#include "base/bytes.h"

namespace holdfast {

// How an object's parity was made; scheme 0 is none. The body is divided into data slices of
// slice_bytes, the last one filled up with zeros; any parity_slices of all slices may be lost. What is
// found damaged is a cell, a part of a slice, and cells at the same place in their slices mend each other:
// a place is called a column.
struct ParityLayout {
    std::uint8_t scheme = 0;
    std::uint8_t data_slices = 0;
    std::uint8_t parity_slices = 0;
    std::uint32_t slice_bytes = 0;

    static constexpr std::uint8_t reed_solomon = 1;
    static constexpr std::size_t max_cell_bytes = 4096;
    // So that a layout that lies does not cost much memory.
    static constexpr std::uint32_t max_slice_bytes = 8u << 20;
    static constexpr std::size_t max_data_slices = 247, max_parity_slices = 8;

    bool operator==(const ParityLayout&) const = default;
    // Whether it is one for a body of so many bytes: then all that follows is safe to use.
    bool is_valid_for(std::uint64_t body_bytes) const;
    std::uint32_t cell_bytes() const;
    std::uint32_t columns() const { return slice_bytes / cell_bytes(); }
    // Cells of the body, whose last one may be shorter, and of the parity.
    std::size_t body_cells(std::uint64_t body_bytes) const;
    std::size_t parity_cells() const { return std::size_t{parity_slices} * columns(); }
    // A checksum a cell, and their own.
    std::size_t summary_bytes(std::uint64_t body_bytes) const;
    std::uint64_t slices_bytes() const { return std::uint64_t{parity_slices} * slice_bytes; }
};

// For an object whose body is in memory whole.
ParityLayout parity_layout_of(std::uint64_t body_bytes);

// CRC-32C (RFC 3720).
std::uint32_t cell_checksum(ByteSpan cell);

struct Parity {
    ParityLayout layout;  // scheme 0: there is none
    Bytes summary;        // the checksums of body and parity cells, and their own check
    Bytes slices;
};

// The checksums of a summary; nothing when its check does not hold.
std::optional<std::vector<std::uint32_t>> decode_summary(ByteSpan summary);

// Makes parity of a body that comes in pieces. Memory: max_parity_slices slices, and four bytes for each
// cell. Not thread-safe.
class ParityEncoder {
  public:
    // For a body of a known layout.
    explicit ParityEncoder(const ParityLayout& layout);
    // For a body that will have about `expected_bytes`; at most capacity_for(expected_bytes).
    explicit ParityEncoder(std::uint64_t expected_bytes);
    static std::uint64_t capacity_for(std::uint64_t expected_bytes);

    void update(ByteSpan piece);
    // Of a body that became larger than its capacity: none.
    Parity finish();

  private:
    ParityEncoder(std::uint32_t slice_bytes, std::uint8_t parity_slices);
    void add_to_checksums(ByteSpan piece);

    const std::uint32_t slice_bytes_;
    const std::uint8_t parity_slices_;  // 0: by the number of data slices, when that is known
    std::uint64_t body_bytes_ = 0;
    std::vector<Bytes> slices_;
    std::vector<std::uint32_t> checksums_;
    std::uint32_t open_checksum_ = 0;  // of the cell that is not full yet
};

// Mends one column.
class ColumnMender {
  public:
    // `lost` are at most layout.parity_slices slices: data slices, then parity slices, are numbered from 0.
    ColumnMender(const ParityLayout& layout,
                 const std::vector<std::size_t>& lost,
                 std::size_t cell_bytes);

    // Each that is not lost once, in any order; a cell shorter than the others counts as filled up with
    // zeros. What is lost is passed over.
    void add_data(std::size_t data_slice, ByteSpan cell);
    void add_parity(std::size_t parity_slice, ByteSpan cell);
    // The data cells that were lost, in the order of their slices. (Parity is made anew from the data.)
    std::vector<Bytes> finish();

  private:
    std::vector<std::size_t> lost_;    // data slices only
    std::vector<std::size_t> witness_;  // as many parity slices that are there
    std::vector<Bytes> sums_;          // one a witness
    std::vector<std::uint8_t> tables_;
};

}  // namespace holdfast
