#include "format/parity.h"

#include <isa-l/crc.h>
#include <isa-l/erasure_code.h>

#include <algorithm>
#include <array>

#include "base/check.h"
#include "crypto/digest.h"

namespace holdfast {
namespace {

constexpr std::size_t max_data = ParityLayout::max_data_slices;
constexpr std::size_t max_parity = ParityLayout::max_parity_slices;
// Layouts are made for so many data slices, so that a streamed body has some room.
constexpr std::uint64_t usual_data_slices = 240;
// A streamed body has a parity slice for so many data slices, and at least two.
constexpr std::size_t data_slices_a_parity_slice = 28, min_streamed_parity = 2;
// Small objects: a lost sector of 4 KiB, wherever it is, touches eight cells at most.
constexpr std::uint64_t small_slice_bytes = 704, slice_unit_bytes = 64;
constexpr std::size_t table_bytes = 32;  // isa-l's, for one coefficient

std::uint64_t divide_up(std::uint64_t value, std::uint64_t by) { return (value + by - 1) / by; }

std::uint64_t round_up(std::uint64_t value, std::uint64_t unit) {
    return divide_up(value, unit) * unit;
}

std::uint64_t slice_bytes_of(std::uint64_t capacity, std::uint64_t slices) {
    const std::uint64_t bytes = round_up(divide_up(capacity, slices), slice_unit_bytes);
    return bytes <= ParityLayout::max_cell_bytes ? bytes
                                                 : round_up(bytes, ParityLayout::max_cell_bytes);
}

// A Cauchy matrix: every square part of it can be inverted. It does not depend on how many slices there
// are, so that neither need be known before.
std::uint8_t coefficient(std::size_t parity_slice, std::size_t data_slice) {
    return gf_inv(static_cast<unsigned char>(data_slice ^ (255 - parity_slice)));
}

using CodeTables = std::array<std::uint8_t, table_bytes * max_data * max_parity>;

// What isa-l multiplies with, for all coefficients.
const CodeTables& code_tables() {
    static const CodeTables tables = [] {
        std::array<std::uint8_t, max_data * max_parity> matrix;
        for (std::size_t j = 0; j < max_parity; ++j)
            for (std::size_t i = 0; i < max_data; ++i) matrix[j * max_data + i] = coefficient(j, i);
        CodeTables result;
        ec_init_tables(max_data, max_parity, matrix.data(), result.data());
        return result;
    }();
    return tables;
}

// isa-l wants pointers to what it does not change, too.
std::uint8_t* unchanged(const std::uint8_t* data) { return const_cast<std::uint8_t*>(data); }

// targets[j] += coefficients(j, slice) * data, from tables laid out for `slices` slices.
void add_products(ByteSpan data,
                  std::size_t slice,
                  std::size_t slices,
                  ByteSpan tables,
                  std::span<std::uint8_t*> targets) {
    ec_encode_data_update(static_cast<int>(data.size()), static_cast<int>(slices),
                          static_cast<int>(targets.size()), static_cast<int>(slice),
                          unchanged(tables.data()), unchanged(data.data()), targets.data());
}

void append_u32(Bytes& out, std::uint32_t value) { ByteWriter(out).u32(value); }

constexpr std::size_t summary_check_bytes = 8;

}  // namespace

std::uint32_t ParityLayout::cell_bytes() const {
    return std::min<std::uint32_t>(slice_bytes, max_cell_bytes);
}

bool ParityLayout::is_valid_for(std::uint64_t body_bytes) const {
    if (scheme != reed_solomon || slice_bytes == 0 || data_slices == 0 || parity_slices == 0 ||
        data_slices > max_data || parity_slices > max_parity || slice_bytes > max_slice_bytes)
        return false;
    if (slice_bytes > max_cell_bytes && slice_bytes % max_cell_bytes != 0) return false;
    return body_bytes != 0 && divide_up(body_bytes, slice_bytes) == data_slices;
}

std::size_t ParityLayout::body_cells(std::uint64_t body_bytes) const {
    return static_cast<std::size_t>(divide_up(body_bytes, cell_bytes()));
}

std::size_t ParityLayout::summary_bytes(std::uint64_t body_bytes) const {
    return 4 * (body_cells(body_bytes) + parity_cells()) + summary_check_bytes;
}

ParityLayout parity_layout_of(std::uint64_t body_bytes) {
    ParityLayout layout;
    std::uint64_t slice = std::max(slice_bytes_of(body_bytes, usual_data_slices), small_slice_bytes);
    if (body_bytes < slice) slice = round_up(body_bytes, slice_unit_bytes);
    if (body_bytes == 0 || slice > ParityLayout::max_slice_bytes) return layout;
    layout.scheme = ParityLayout::reed_solomon;
    layout.slice_bytes = static_cast<std::uint32_t>(slice);
    layout.data_slices = static_cast<std::uint8_t>(divide_up(body_bytes, slice));
    layout.parity_slices = static_cast<std::uint8_t>(std::min<std::size_t>(layout.data_slices, max_parity));
    return layout;
}

std::uint32_t cell_checksum(ByteSpan cell) {
    return ~crc32_iscsi(unchanged(cell.data()), static_cast<int>(cell.size()), UINT32_MAX);
}

std::optional<std::vector<std::uint32_t>> decode_summary(ByteSpan summary) {
    if (summary.size() < summary_check_bytes || (summary.size() - summary_check_bytes) % 4 != 0)
        return std::nullopt;
    const ByteSpan checksums = summary.first(summary.size() - summary_check_bytes);
    const Digest digest = plain_hash(checksums);
    if (!std::equal(digest.bytes.begin(), digest.bytes.begin() + summary_check_bytes,
                    summary.end() - summary_check_bytes))
        return std::nullopt;
    std::vector<std::uint32_t> result(checksums.size() / 4);
    ByteReader in(checksums);
    for (std::uint32_t& checksum : result) checksum = in.u32();
    return result;
}

ParityEncoder::ParityEncoder(std::uint32_t slice_bytes, std::uint8_t parity_slices)
    : slice_bytes_(slice_bytes),
      parity_slices_(parity_slices),
      slices_(parity_slices == 0 ? max_parity : parity_slices, Bytes(slice_bytes)) {}

ParityEncoder::ParityEncoder(const ParityLayout& layout)
    : ParityEncoder(layout.slice_bytes, layout.parity_slices) {
    HF_CHECK(layout.slice_bytes != 0 && layout.parity_slices <= max_parity);
}

std::uint64_t ParityEncoder::capacity_for(std::uint64_t expected_bytes) {
    constexpr std::uint64_t room = 4u << 20;
    return slice_bytes_of(expected_bytes + expected_bytes / 16 + room, max_data) * max_data;
}

ParityEncoder::ParityEncoder(std::uint64_t expected_bytes)
    : ParityEncoder(static_cast<std::uint32_t>(capacity_for(expected_bytes) / max_data), 0) {}

void ParityEncoder::add_to_checksums(ByteSpan piece) {
    const std::size_t cell_bytes = std::min<std::size_t>(slice_bytes_, ParityLayout::max_cell_bytes);
    std::uint64_t position = body_bytes_;
    while (!piece.empty()) {
        const auto in_cell = static_cast<std::size_t>(position % cell_bytes);
        if (in_cell == 0) open_checksum_ = UINT32_MAX;
        const ByteSpan part = piece.first(std::min(piece.size(), cell_bytes - in_cell));
        open_checksum_ = crc32_iscsi(unchanged(part.data()), static_cast<int>(part.size()), open_checksum_);
        if (in_cell + part.size() == cell_bytes) checksums_.push_back(~open_checksum_);
        position += part.size();
        piece = piece.subspan(part.size());
    }
}

void ParityEncoder::update(ByteSpan piece) {
    add_to_checksums(piece);
    std::array<std::uint8_t*, max_parity> targets;
    while (!piece.empty()) {
        const std::uint64_t slice = body_bytes_ / slice_bytes_;
        const auto offset = static_cast<std::size_t>(body_bytes_ % slice_bytes_);
        const ByteSpan part =
            piece.first(std::min<std::size_t>(piece.size(), slice_bytes_ - offset));
        for (std::size_t j = 0; j < slices_.size(); ++j) targets[j] = slices_[j].data() + offset;
        if (slice < max_data)
            add_products(part, static_cast<std::size_t>(slice), max_data, code_tables(),
                         std::span(targets).first(slices_.size()));
        body_bytes_ += part.size();
        piece = piece.subspan(part.size());
    }
}

Parity ParityEncoder::finish() {
    Parity parity;
    const std::uint64_t data_slices = divide_up(body_bytes_, slice_bytes_);
    if (data_slices == 0 || data_slices > max_data) return parity;
    const std::size_t wanted = std::clamp<std::size_t>(
        static_cast<std::size_t>(divide_up(data_slices, data_slices_a_parity_slice)),
        min_streamed_parity, max_parity);
    parity.layout.scheme = ParityLayout::reed_solomon;
    parity.layout.slice_bytes = slice_bytes_;
    parity.layout.data_slices = static_cast<std::uint8_t>(data_slices);
    parity.layout.parity_slices =
        parity_slices_ != 0 ? parity_slices_ : static_cast<std::uint8_t>(wanted);
    if (body_bytes_ % parity.layout.cell_bytes() != 0) checksums_.push_back(~open_checksum_);
    for (const std::uint32_t checksum : checksums_) append_u32(parity.summary, checksum);
    slices_.resize(parity.layout.parity_slices);
    parity.slices.reserve(static_cast<std::size_t>(parity.layout.slices_bytes()));
    for (const Bytes& slice : slices_) {
        parity.slices.insert(parity.slices.end(), slice.begin(), slice.end());
        for (std::size_t at = 0; at < slice.size(); at += parity.layout.cell_bytes())
            append_u32(parity.summary,
                       cell_checksum(ByteSpan(slice).subspan(at, parity.layout.cell_bytes())));
    }
    const Digest check = plain_hash(parity.summary);
    parity.summary.insert(parity.summary.end(), check.bytes.begin(),
                          check.bytes.begin() + summary_check_bytes);
    return parity;
}

ColumnMender::ColumnMender(const ParityLayout& layout,
                           const std::vector<std::size_t>& lost,
                           std::size_t cell_bytes) {
    HF_CHECK(lost.size() <= layout.parity_slices);
    for (const std::size_t slice : lost)
        if (slice < layout.data_slices) lost_.push_back(slice);
    for (std::size_t j = 0; j < layout.parity_slices && witness_.size() < lost_.size(); ++j)
        if (std::find(lost.begin(), lost.end(), layout.data_slices + j) == lost.end())
            witness_.push_back(j);
    sums_.assign(witness_.size(), Bytes(cell_bytes));
    std::vector<std::uint8_t> matrix;
    for (const std::size_t j : witness_)
        for (std::size_t i = 0; i < max_data; ++i) matrix.push_back(coefficient(j, i));
    tables_.resize(table_bytes * matrix.size());
    if (!witness_.empty())
        ec_init_tables(max_data, static_cast<int>(witness_.size()), matrix.data(), tables_.data());
}

void ColumnMender::add_data(std::size_t data_slice, ByteSpan cell) {
    if (sums_.empty() || std::find(lost_.begin(), lost_.end(), data_slice) != lost_.end()) return;
    HF_CHECK(cell.size() <= sums_[0].size() && data_slice < max_data);
    std::vector<std::uint8_t*> targets;
    for (Bytes& sum : sums_) targets.push_back(sum.data());
    add_products(cell, data_slice, max_data, tables_, targets);
}

void ColumnMender::add_parity(std::size_t parity_slice, ByteSpan cell) {
    for (std::size_t w = 0; w < witness_.size(); ++w)
        if (witness_[w] == parity_slice)
            for (std::size_t i = 0; i < cell.size(); ++i) sums_[w][i] ^= cell[i];
}

std::vector<Bytes> ColumnMender::finish() {
    const std::size_t n = lost_.size();
    std::vector<Bytes> mended(n, Bytes(n == 0 ? 0 : sums_[0].size()));
    if (n == 0) return mended;
    std::vector<std::uint8_t> matrix, inverse(n * n), tables(table_bytes * n * n);
    for (const std::size_t j : witness_)
        for (const std::size_t i : lost_) matrix.push_back(coefficient(j, i));
    HF_CHECK(gf_invert_matrix(matrix.data(), inverse.data(), static_cast<int>(n)) == 0);
    ec_init_tables(static_cast<int>(n), static_cast<int>(n), inverse.data(), tables.data());
    std::vector<std::uint8_t*> targets;
    for (Bytes& cell : mended) targets.push_back(cell.data());
    for (std::size_t w = 0; w < n; ++w) add_products(sums_[w], w, n, tables, targets);
    return mended;
}

}  // namespace holdfast
