// Byte strings, and bounds-checked reading and writing of little-endian integers and varints.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast {

using Bytes = std::vector<std::uint8_t>;
using ByteSpan = std::span<const std::uint8_t>;
using MutableByteSpan = std::span<std::uint8_t>;

inline ByteSpan as_bytes(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
inline std::string_view as_text(ByteSpan bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string to_hex(ByteSpan bytes);
// Empty when `text` is not an even number of hexadecimal digits.
Bytes from_hex(std::string_view text);
std::string to_base64(ByteSpan bytes);

// Signed to unsigned so that small magnitudes of either sign stay small.
constexpr std::uint64_t zigzag(std::int64_t value) {
    return (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
}
constexpr std::int64_t unzigzag(std::uint64_t value) {
    return static_cast<std::int64_t>(value >> 1) ^ -static_cast<std::int64_t>(value & 1);
}

// Appends to a Bytes that the caller owns. Integers are little-endian; varints are LEB128.
class ByteWriter {
  public:
    explicit ByteWriter(Bytes& out) : out_(out) {}

    void u8(std::uint8_t value) { out_.push_back(value); }
    void u16(std::uint16_t value) { integer(value); }
    void u32(std::uint32_t value) { integer(value); }
    void u64(std::uint64_t value) { integer(value); }
    void varint(std::uint64_t value) {
        while (value >= 0x80) {
            out_.push_back(static_cast<std::uint8_t>(value | 0x80));
            value >>= 7;
        }
        out_.push_back(static_cast<std::uint8_t>(value));
    }
    void signed_varint(std::int64_t value) { varint(zigzag(value)); }
    void bytes(ByteSpan data);
    // A varint length, then the bytes.
    void sized_bytes(ByteSpan data) {
        varint(data.size());
        bytes(data);
    }
    void sized_text(std::string_view text) { sized_bytes(as_bytes(text)); }
    std::size_t size() const { return out_.size(); }

  private:
    template <typename T>
    void integer(T value) {
        for (unsigned i = 0; i < sizeof(T); ++i)
            out_.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
    }

    Bytes& out_;
};

// Reads from a span that outlives it. An error sticks: after the first read that does not fit,
// every read returns zero or nothing and ok() is false. Loops over counts that come from the data
// must test ok() in each round.
class ByteReader {
  public:
    explicit ByteReader(ByteSpan data) : data_(data) {}

    bool ok() const { return ok_; }
    bool at_end() const { return position_ == data_.size(); }
    // Everything was read and nothing was out of bounds.
    bool complete() const { return ok_ && at_end(); }
    std::size_t remaining() const { return data_.size() - position_; }
    std::size_t position() const { return position_; }
    void fail() { ok_ = false; }

    std::uint8_t u8() {
        if (remaining() < 1 || !ok_) return ok_ = false, std::uint8_t{0};
        return data_[position_++];
    }
    std::uint16_t u16() { return integer<std::uint16_t>(); }
    std::uint32_t u32() { return integer<std::uint32_t>(); }
    std::uint64_t u64() { return integer<std::uint64_t>(); }
    std::uint64_t varint() {
        if (ok_ && position_ < data_.size() && data_[position_] < 0x80) return data_[position_++];
        return long_varint();
    }
    // A varint that must not exceed `limit`.
    std::uint64_t varint_at_most(std::uint64_t limit) {
        const std::uint64_t value = varint();
        if (value > limit) return ok_ = false, std::uint64_t{0};
        return value;
    }
    std::int64_t signed_varint() { return unzigzag(varint()); }
    ByteSpan bytes(std::size_t count) {
        if (!ok_ || remaining() < count) return ok_ = false, ByteSpan{};
        const ByteSpan result = data_.subspan(position_, count);
        position_ += count;
        return result;
    }
    ByteSpan sized_bytes(std::uint64_t limit = UINT32_MAX) {
        return bytes(static_cast<std::size_t>(varint_at_most(limit)));
    }
    std::string sized_text(std::uint64_t limit = UINT32_MAX) {
        return std::string(as_text(sized_bytes(limit)));
    }
    template <std::size_t N>
    std::array<std::uint8_t, N> array() {
        std::array<std::uint8_t, N> result{};
        const ByteSpan source = bytes(N);
        if (source.size() == N) std::memcpy(result.data(), source.data(), N);
        return result;
    }

  private:
    std::uint64_t long_varint();
    template <typename T>
    T integer() {
        const ByteSpan source = bytes(sizeof(T));
        T value = 0;
        for (std::size_t i = 0; i < source.size(); ++i)
            value = static_cast<T>(value | (static_cast<T>(source[i]) << (8 * i)));
        return value;
    }

    ByteSpan data_;
    std::size_t position_ = 0;
    bool ok_ = true;
};

}  // namespace holdfast
