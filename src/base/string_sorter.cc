#include "base/string_sorter.h"

#include <algorithm>

#include "base/file_io.h"

namespace holdfast {
namespace {

constexpr std::size_t buffer_bytes = 32u << 10;
constexpr std::size_t length_bytes = 4;  // before each string in the file

}  // namespace

std::string_view StringSorter::text_of(const Item& item) const {
    return as_text(ByteSpan(texts_).subspan(item.offset, item.bytes));
}

Status StringSorter::add(std::string_view text) {
    const std::size_t needed = texts_.size() + text.size() + (items_.size() + 1) * sizeof(Item);
    if (needed > memory_bytes_ && !items_.empty()) HF_TRY_STATUS(write_part());
    if (text.size() > UINT32_MAX - texts_.size())
        return Error(ErrorCode::invalid_argument, "a string too long to be sorted");
    items_.push_back({static_cast<std::uint32_t>(texts_.size()),
                      static_cast<std::uint32_t>(text.size())});
    ByteWriter(texts_).bytes(as_bytes(text));
    return {};
}

void StringSorter::sort_items() {
    std::sort(items_.begin(), items_.end(),
              [this](const Item& a, const Item& b) { return text_of(a) < text_of(b); });
}

Status StringSorter::write_part() {
    if (!file_.valid()) {
        HF_TRY(file_, open_temporary_file());
    }
    sort_items();
    Part part;
    part.position = file_bytes_;
    Bytes buffer;
    ByteWriter out(buffer);
    const auto flush = [&]() -> Status {
        HF_TRY_STATUS(write_at(file_.get(), buffer, file_bytes_, "the temporary file"));
        file_bytes_ += buffer.size();
        buffer.clear();
        return {};
    };
    for (const Item& item : items_) {
        out.u32(item.bytes);
        out.bytes(as_bytes(text_of(item)));
        if (buffer.size() >= buffer_bytes) HF_TRY_STATUS(flush());
    }
    HF_TRY_STATUS(flush());
    part.end = file_bytes_;
    parts_.push_back(std::move(part));
    items_.clear();
    texts_.clear();
    return {};
}

Status StringSorter::finish() {
    if (parts_.empty()) {
        sort_items();
        return {};
    }
    HF_TRY_STATUS(write_part());
    items_ = {};
    texts_ = {};
    for (std::size_t i = 0; i < parts_.size(); ++i) {
        HF_TRY(const bool has_one, advance(parts_[i]));
        if (has_one) heap_.push_back(i);
    }
    const auto later = [this](std::size_t a, std::size_t b) {
        return parts_[a].current > parts_[b].current;
    };
    std::make_heap(heap_.begin(), heap_.end(), later);
    return {};
}

// Makes at least `bytes` unread ones stand in the part's buffer.
Status StringSorter::fill(Part& part, std::size_t bytes) {
    const std::size_t left = part.buffer.size() - part.used;
    if (left >= bytes) return {};
    part.buffer.erase(part.buffer.begin(),
                      part.buffer.begin() + static_cast<std::ptrdiff_t>(part.used));
    part.used = 0;
    const std::uint64_t wanted =
        std::min<std::uint64_t>(part.end - part.position, std::max(buffer_bytes, bytes) - left);
    part.buffer.resize(left + static_cast<std::size_t>(wanted));
    HF_TRY(const std::size_t count,
           read_at(file_.get(), MutableByteSpan(part.buffer).subspan(left), part.position,
                   "the temporary file"));
    if (count != wanted || part.buffer.size() < bytes)
        return Error(ErrorCode::internal, "the temporary file ended early");
    part.position += count;
    return {};
}

// The part's next string becomes its current one; false at its end.
Result<bool> StringSorter::advance(Part& part) {
    if (part.used == part.buffer.size() && part.position == part.end) return false;
    HF_TRY_STATUS(fill(part, length_bytes));
    const std::uint32_t bytes = ByteReader(ByteSpan(part.buffer).subspan(part.used)).u32();
    part.used += length_bytes;
    HF_TRY_STATUS(fill(part, bytes));
    part.current = as_text(ByteSpan(part.buffer).subspan(part.used, bytes));
    part.used += bytes;
    return true;
}

Result<bool> StringSorter::next(std::string& text) {
    if (parts_.empty()) {
        if (next_item_ == items_.size()) return false;
        text = text_of(items_[next_item_++]);
        return true;
    }
    if (heap_.empty()) return false;
    const auto later = [this](std::size_t a, std::size_t b) {
        return parts_[a].current > parts_[b].current;
    };
    std::pop_heap(heap_.begin(), heap_.end(), later);
    Part& part = parts_[heap_.back()];
    text = part.current;
    HF_TRY(const bool has_more, advance(part));
    if (has_more) std::push_heap(heap_.begin(), heap_.end(), later);
    else heap_.pop_back();
    return true;
}

}  // namespace holdfast
