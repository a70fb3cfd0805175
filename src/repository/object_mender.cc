#include "repository/object_mender.h"

#include <algorithm>

#include "repository/object_io.h"

namespace holdfast {
namespace {

constexpr std::size_t window_bytes = 1u << 20;
// The end of a tail.
constexpr std::string_view trailer_magic = "HFTE";

// Whether a tail at `offset` of an object is where it says that one is.
bool stands_at(const EnvelopeTrailer& trailer, std::uint64_t offset) {
    if (!trailer.check_holds || !trailer.has_parity()) return false;
    const std::uint64_t summary = trailer.parity.summary_bytes(trailer.body_bytes);
    return offset == trailer.body_bytes + summary ||
           offset == trailer.body_bytes + trailer.extra_bytes;
}

}  // namespace

Error ObjectMender::lost() const {
    return {ErrorCode::corrupt, name_ + ": damaged beyond what its parity can mend"};
}

Result<std::unique_ptr<ObjectMender>> ObjectMender::open(Storage& storage,
                                                         std::string name,
                                                         std::uint64_t object_bytes) {
    std::unique_ptr<ObjectMender> mender(
        new ObjectMender(storage, std::move(name), object_bytes));
    HF_TRY_STATUS(mender->find_trailer());
    HF_TRY_STATUS(mender->read_summary());
    return mender;
}

Status ObjectMender::read_stored(std::uint64_t offset, MutableByteSpan out) {
    if (offset > object_bytes_ || out.size() > object_bytes_ - offset) return lost();
    return storage_.read(name_, offset, out);
}

Status ObjectMender::find_trailer() {
    Bytes end(static_cast<std::size_t>(std::min<std::uint64_t>(object_bytes_, tail_bytes_max)));
    HF_TRY_STATUS(read_stored(object_bytes_ - end.size(), end));
    const auto tail = decode_tail(end, object_bytes_);
    if (tail.ok() && tail->check_holds) {
        trailer_ = *tail;
        if (trailer_.parity.scheme == 0)
            return Error(ErrorCode::corrupt, name_ + ": damaged, and it has no parity");
        if (stands_at(trailer_, object_bytes_ - trailer_.tail_bytes())) return {};
        return lost();
    }
    return search_trailer();
}

// The other tail stands behind the body; how long that is nobody knows. From the end on, as parity is short.
Status ObjectMender::search_trailer() {
    std::uint64_t end = object_bytes_;
    while (end >= trailer_magic.size()) {
        const std::uint64_t start = end - std::min<std::uint64_t>(end, window_bytes);
        Bytes window(static_cast<std::size_t>(end - start));
        HF_TRY_STATUS(read_stored(start, window));
        const std::string_view text(reinterpret_cast<const char*>(window.data()), window.size());
        for (std::size_t at = text.rfind(trailer_magic); at != std::string_view::npos;
             at = at == 0 ? std::string_view::npos : text.rfind(trailer_magic, at - 1)) {
            const std::size_t length = at + trailer_magic.size();
            const auto found = decode_tail(ByteSpan(window).first(length));
            if (!found.ok() || !stands_at(*found, start + length - found->tail_bytes())) continue;
            trailer_ = *found;
            return {};
        }
        if (start == 0) break;
        end = start + tail_bytes_max;  // a tail that the window began within
        if (end >= start + window.size()) break;
    }
    return Error(ErrorCode::corrupt, name_ + ": damaged, and nothing is left that says of its parity");
}

Status ObjectMender::read_summary() {
    const std::size_t bytes = trailer_.parity.summary_bytes(trailer_.body_bytes);
    const std::uint64_t first = trailer_.body_bytes;
    const std::uint64_t second = first + trailer_.extra_bytes - bytes;
    // A size that the object never had is not worth the memory.
    if (bytes > object_bytes_) return lost();
    Bytes summary(bytes);
    for (const std::uint64_t offset : {second, first}) {
        const Status read = read_stored(offset, summary);
        if (!read.ok() && read.error().code() != ErrorCode::corrupt) return read;
        auto checksums = read.ok() ? decode_summary(summary) : std::nullopt;
        if (!checksums) continue;
        checksums_ = std::move(*checksums);
        return {};
    }
    return lost();
}

std::size_t ObjectMender::bytes_of(std::size_t slice, std::size_t column) const {
    const std::uint32_t cell = trailer_.parity.cell_bytes();
    if (slice >= trailer_.parity.data_slices) return cell;
    const std::uint64_t offset = offset_of(slice, column);
    if (offset >= trailer_.body_bytes) return 0;
    return static_cast<std::size_t>(std::min<std::uint64_t>(cell, trailer_.body_bytes - offset));
}

std::uint64_t ObjectMender::offset_of(std::size_t slice, std::size_t column) const {
    const ParityLayout& layout = trailer_.parity;
    const std::uint64_t in_slice = std::uint64_t{column} * layout.cell_bytes();
    if (slice < layout.data_slices) return std::uint64_t{slice} * layout.slice_bytes + in_slice;
    const std::uint64_t parity =
        trailer_.body_bytes + layout.summary_bytes(trailer_.body_bytes) + trailer_.tail_bytes();
    return parity + std::uint64_t{slice - layout.data_slices} * layout.slice_bytes + in_slice;
}

std::size_t ObjectMender::checksum_number(std::size_t slice, std::size_t column) const {
    const ParityLayout& layout = trailer_.parity;
    if (slice < layout.data_slices) return slice * layout.columns() + column;
    return layout.body_cells(trailer_.body_bytes) +
           (slice - layout.data_slices) * layout.columns() + column;
}

// Whether it is as it was written.
Result<bool> ObjectMender::read_cell(std::size_t slice, std::size_t column, MutableByteSpan out) {
    const Status read = read_stored(offset_of(slice, column), out);
    if (!read.ok() && read.error().code() != ErrorCode::corrupt) return read.error();
    return read.ok() && cell_checksum(out) == checksums_[checksum_number(slice, column)];
}

Status ObjectMender::mend_column(std::size_t column) {
    const ParityLayout& layout = trailer_.parity;
    const std::size_t slices = std::size_t{layout.data_slices} + layout.parity_slices;
    std::vector<std::size_t> lost_slices, lost_data;
    Bytes cell(layout.cell_bytes());
    // Twice over the column: what is lost must be known before sums are made.
    for (std::size_t slice = 0; slice < slices; ++slice) {
        const std::size_t bytes = bytes_of(slice, column);
        if (bytes == 0) continue;
        HF_TRY(const bool is_whole, read_cell(slice, column, MutableByteSpan(cell).first(bytes)));
        if (!is_whole) lost_slices.push_back(slice);
        if (!is_whole && slice < layout.data_slices) lost_data.push_back(slice);
        if (lost_slices.size() > layout.parity_slices) return lost();
    }
    ColumnMender mender(layout, lost_slices, layout.cell_bytes());
    for (std::size_t slice = 0; slice < slices; ++slice) {
        const MutableByteSpan part = MutableByteSpan(cell).first(bytes_of(slice, column));
        if (part.empty() ||
            std::find(lost_slices.begin(), lost_slices.end(), slice) != lost_slices.end())
            continue;
        HF_TRY(const bool is_whole, read_cell(slice, column, part));
        if (!is_whole) return lost();
        if (slice < layout.data_slices) mender.add_data(slice, part);
        else mender.add_parity(slice - layout.data_slices, part);
    }
    std::vector<Bytes> mended = mender.finish();
    for (std::size_t i = 0; i < lost_data.size(); ++i) {
        mended[i].resize(bytes_of(lost_data[i], column));
        if (cell_checksum(mended[i]) != checksums_[checksum_number(lost_data[i], column)]) return lost();
        mended_[{column, lost_data[i]}] = std::move(mended[i]);
    }
    return {};
}

Status ObjectMender::read_body(std::uint64_t offset, MutableByteSpan out) {
    const ParityLayout& layout = trailer_.parity;
    const std::uint32_t cell_bytes = layout.cell_bytes();
    if (offset > trailer_.body_bytes || out.size() > trailer_.body_bytes - offset) return lost();
    Bytes cell;
    while (!out.empty()) {
        const auto slice = static_cast<std::size_t>(offset / layout.slice_bytes);
        const auto column = static_cast<std::size_t>(offset % layout.slice_bytes / cell_bytes);
        const std::uint64_t start = offset_of(slice, column);
        cell.resize(bytes_of(slice, column));
        HF_TRY(const bool is_whole, read_cell(slice, column, cell));
        if (!is_whole) {
            if (!mended_.contains({column, slice})) HF_TRY_STATUS(mend_column(column));
            cell = mended_[{column, slice}];
        }
        const ByteSpan rest = ByteSpan(cell).subspan(static_cast<std::size_t>(offset - start));
        const std::size_t count = std::min(rest.size(), out.size());
        std::copy_n(rest.begin(), count, out.begin());
        out = out.subspan(count);
        offset += count;
    }
    return {};
}

Status ObjectMender::write(const std::function<Status(ByteSpan)>& take) {
    ParityEncoder parity(trailer_.parity);
    Hasher hasher;
    Bytes piece(window_bytes);
    for (std::uint64_t offset = 0; offset < trailer_.body_bytes;) {
        const MutableByteSpan part = MutableByteSpan(piece).first(static_cast<std::size_t>(
            std::min<std::uint64_t>(window_bytes, trailer_.body_bytes - offset)));
        HF_TRY_STATUS(read_body(offset, part));
        hasher.update(part);
        parity.update(part);
        HF_TRY_STATUS(take(part));
        offset += part.size();
    }
    if (hasher.finish() != trailer_.body_hash) return lost();
    return take(encode_object_end(trailer_, parity.finish()));
}

}  // namespace holdfast
