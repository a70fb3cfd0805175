#include "repository/chunker.h"

#include <algorithm>
#include <array>
#include <bit>

#include "base/check.h"
#include "crypto/digest.h"

namespace holdfast {

namespace gear16 {
namespace {

constexpr std::array<std::uint16_t, 256> mixed = [] {
    std::array<std::uint16_t, 256> table{};
    for (unsigned byte = 0; byte < table.size(); ++byte)
        table[byte] = mix16(static_cast<std::uint8_t>(byte));
    return table;
}();

// What the header promises about runs of equal bytes and about neighbours: h(i) < 16 twice in a row
// needs a mix16 between -30 and 15.
static_assert(std::ranges::none_of(mixed, [](std::uint16_t value) {
    return value < candidate_limit || value > 0xFFFF - 2 * candidate_limit;
}));

// The first candidate from position k on, or `count`; `hash` is h(k - 1), then that of the result.
std::size_t next_candidate(const std::uint8_t* first,
                           std::size_t k,
                           std::size_t count,
                           std::uint32_t& hash) {
    for (; k < count; ++k) {
        hash = 2 * hash + mixed[first[k]];
        if (static_cast<std::uint16_t>(hash) < candidate_limit) [[unlikely]]
            return k;
    }
    return count;
}

}  // namespace

void scan_portable(const std::uint8_t* first, std::size_t count, std::uint64_t* bitmap) {
    std::fill_n(bitmap, (count + 63) / 64, 0);
    std::uint32_t hash = 0;
    for (std::size_t k = 0; k < window_bytes; ++k)
        hash = 2 * hash + mixed[(first - window_bytes)[k]];
    for (std::size_t k = 0; (k = next_candidate(first, k, count, hash)) < count; ++k)
        bitmap[k / 64] |= std::uint64_t{1} << (k % 64);
}

Scan best_scan() {
#if defined(__x86_64__)
    static const Scan best = __builtin_cpu_supports("avx2") ? scan_avx2 : scan_portable;
    return best;
#else
    return scan_portable;
#endif
}

}  // namespace gear16

namespace {

constexpr std::size_t confirm_bytes = 64;
constexpr unsigned prefilter_bits = 12, normalisation = 2;
// Positions scanned at once. Fewer make the lead-in to the AVX2 code's stretches (3 %) dearer; more
// are scanned for nothing behind a cut, where half a block is 0.8 % of the default avg.
constexpr std::size_t block_positions = 8192;

// In the machine's byte order: for what does not bear on cuts.
std::uint64_t native_word(const std::uint8_t* bytes) {
    std::uint64_t value;
    std::memcpy(&value, bytes, sizeof value);
    return value;
}

// The first position from `begin` on whose byte differs from the one `period` before it, or `end`.
std::size_t end_of_repetition(const std::uint8_t* data,
                              std::size_t begin,
                              std::size_t end,
                              std::size_t period) {
    while (end - begin >= 8 && native_word(data + begin) == native_word(data + begin - period))
        begin += 8;
    while (begin < end && data[begin] == data[begin - period]) ++begin;
    return begin;
}

}  // namespace

// Looks for the end of one chunk.
//
// Distinct candidates cost little whoever made the data: one in 2^bits of them is confirmed, which
// ends the chunk. Only windows that come again and again could, so refused ones are remembered: a
// window equal to one refused before with the same bits is refused. As long as the data behind it
// repeats the data behind that one, every candidate equals one that was refused at that distance
// before, and is passed over without a look. None of this changes a cut.
//
// Needs 5 KiB of stack.
class Chunker::Search {
  public:
    Search(const Chunker& chunker, const std::uint8_t* data, gear16::Scan scan)
        : chunker_(chunker), data_(data), scan_(scan) {}

    // The length of the chunk at the beginning of `data`, which is longer than min.
    std::size_t cut(std::size_t size) {
        const ChunkerParameters& bounds = chunker_.parameters_;
        // At the limit there is nothing to decide.
        const std::size_t last = std::min<std::size_t>(size, bounds.max_bytes) - 1;
        const std::size_t relaxed = std::min<std::size_t>(bounds.avg_bytes - 1, last);
        const unsigned bits =
            static_cast<unsigned>(std::countr_zero(bounds.avg_bytes)) - prefilter_bits;
        std::size_t position = find_in_zone(bounds.min_bytes - 1, relaxed, bits + normalisation);
        if (!confirmed_) position = find_in_zone(relaxed, last, bits - normalisation);
        return position + 1;
    }

  private:
    // Enough for the periods that occur: with more candidates in a period than slots, one that is
    // still remembered soon comes and the rest of the repetition is passed over.
    static constexpr unsigned memo_bits = 10;

    // The first confirmed position of [begin, end), or `end`. Zones are searched in rising order.
    std::size_t find_in_zone(std::size_t begin, std::size_t end, unsigned bits) {
        zone_begin_ = begin;
        zone_end_ = end;
        bits_ = bits;
        std::size_t position = begin;
        while (position < end) {
            const std::size_t count = scan_block(position);
            const std::size_t next = find_in_block(position, count);
            if (confirmed_) return next;
            position = next;
        }
        return end;
    }

    // Fills the bitmap for the block that begins at `begin`; returns the positions in it.
    std::size_t scan_block(std::size_t begin) {
        const std::size_t count = std::min(block_positions, zone_end_ - begin);
        const std::size_t whole = count - count % gear16::scan_step;
        scan_(data_ + begin, whole, bitmap_);
        gear16::scan_portable(data_ + begin + whole, count - whole, bitmap_ + whole / 64);
        return count;
    }

    // The confirmed position, or the position to go on from: the block's end or one behind it.
    std::size_t find_in_block(std::size_t begin, std::size_t count) {
        std::size_t refused_end = begin;
        for (std::size_t word = 0; word < count; word += 64) {
            for (std::uint64_t left = bitmap_[word / 64]; left != 0; left &= left - 1) {
                const std::size_t position =
                    begin + word + static_cast<unsigned>(std::countr_zero(left));
                if (position < refused_end) continue;
                refused_end = refuse_until(position);
                if (confirmed_) return position;
            }
        }
        return std::max(refused_end, begin + count);
    }

    // Sets confirmed_, or returns the end of the positions known to be refused.
    std::size_t refuse_until(std::size_t position) {
        const std::uint8_t* const window = data_ + position + 1 - confirm_bytes;
        std::uint32_t& known = memo_[memo_slot(window)];
        if (known >= zone_begin_ &&
            std::memcmp(window, data_ + known + 1 - confirm_bytes, confirm_bytes) == 0) {
            const std::size_t period = position - known;
            known = static_cast<std::uint32_t>(position);
            return end_of_repetition(data_, position + 1, zone_end_, period);
        }
        const Digest digest = keyed_hash(chunker_.key_, {window, confirm_bytes});
        confirmed_ = ByteReader(digest.bytes).u64() >> (64 - bits_) == 0;
        known = static_cast<std::uint32_t>(position);
        return position + 1;
    }

    // Windows that share a slot cost time, never a cut. The multiplier is secret, so that data
    // cannot be made for them to do so.
    std::size_t memo_slot(const std::uint8_t* window) const {
        std::uint64_t sum = 0;
        for (std::size_t k = 0; k < confirm_bytes; k += 8)
            sum = (sum + native_word(window + k)) * chunker_.memo_multiplier_;
        return static_cast<std::size_t>(sum >> (64 - memo_bits));
    }

    const Chunker& chunker_;
    const std::uint8_t* const data_;
    const gear16::Scan scan_;
    std::size_t zone_begin_ = 0, zone_end_ = 0;
    unsigned bits_ = 0;
    bool confirmed_ = false;
    std::uint64_t bitmap_[block_positions / 64];
    // By slot, the last refused position; 0, which is before every zone, where there is none.
    std::array<std::uint32_t, std::size_t{1} << memo_bits> memo_{};
};

bool ChunkerParameters::valid() const {
    return std::has_single_bit(min_bytes) && std::has_single_bit(avg_bytes) &&
           std::has_single_bit(max_bytes) && min_bytes >= confirm_bytes && min_bytes < avg_bytes &&
           avg_bytes < max_bytes && avg_bytes >= 64 * 1024;
}

Chunker::Chunker(const ChunkerParameters& parameters, const SecretKey& key)
    : parameters_(parameters),
      key_(key),
      memo_multiplier_(ByteReader(keyed_hash(key, as_bytes("memo")).bytes).u64() | 1) {
    HF_CHECK(parameters.valid());
}

std::size_t Chunker::next_cut(ByteSpan data) const {
    return cut(data, gear16::best_scan());
}

std::size_t Chunker::next_cut_portable(ByteSpan data) const {
    return cut(data, gear16::scan_portable);
}

std::size_t Chunker::cut(ByteSpan data, gear16::Scan scan) const {
    if (data.size() <= parameters_.min_bytes) return data.size();
    return Search(*this, data.data(), scan).cut(data.size());
}

}  // namespace holdfast
