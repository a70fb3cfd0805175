#include "format/config.h"

#include <bit>

namespace holdfast {
namespace {

Error bad_config() {
    return {ErrorCode::corrupt, "damaged repository configuration"};
}

bool is_valid(const ChunkSizes& sizes) {
    return std::has_single_bit(sizes.min_bytes) && std::has_single_bit(sizes.avg_bytes) &&
           std::has_single_bit(sizes.max_bytes) && sizes.min_bytes >= 16384 &&
           sizes.avg_bytes >= 65536 && sizes.min_bytes < sizes.avg_bytes &&
           sizes.avg_bytes < sizes.max_bytes && sizes.max_bytes <= (4u << 20);
}

// Flags follow the bundles when any is set.
constexpr std::uint8_t flag_no_parity = 1, flag_lock = 2;

bool is_valid(const LockRules& lock) {
    constexpr TimeNs century = TimeNs{100 * 366} * 86'400 * ns_per_second;
    return (lock.mode == LockRules::Mode::governance || lock.mode == LockRules::Mode::compliance) && lock.period > 0 &&
           lock.period <= century && lock.generation > 0 && lock.generation <= century;
}

}  // namespace

Bytes ConfigRecord::associated_data() const {
    Bytes data;
    ByteWriter out(data);
    out.bytes(repository.bytes);
    out.u64(static_cast<std::uint64_t>(created));
    out.u32(chunk_sizes.min_bytes);
    out.u32(chunk_sizes.avg_bytes);
    out.u32(chunk_sizes.max_bytes);
    return data;
}

void encode_config(const ConfigRecord& config, ByteWriter& out) {
    out.bytes(config.associated_data());
    out.sized_bytes(config.full_bundle);
    out.sized_bytes(config.writer_bundle);
    const bool has_lock = config.lock.mode != LockRules::Mode::none;
    const int flags = (config.has_parity ? 0 : flag_no_parity) | (has_lock ? flag_lock : 0);
    if (flags != 0) out.u8(static_cast<std::uint8_t>(flags));
    if (!has_lock) return;
    out.u8(static_cast<std::uint8_t>(config.lock.mode));
    out.u64(static_cast<std::uint64_t>(config.lock.period));
    out.u64(static_cast<std::uint64_t>(config.lock.generation));
}

Result<ConfigRecord> decode_config(ByteSpan data) {
    ByteReader in(data);
    ConfigRecord config;
    config.repository.bytes = in.array<16>();
    config.created = static_cast<TimeNs>(in.u64());
    config.chunk_sizes.min_bytes = in.u32();
    config.chunk_sizes.avg_bytes = in.u32();
    config.chunk_sizes.max_bytes = in.u32();
    const ByteSpan full = in.sized_bytes(4096);
    config.full_bundle.assign(full.begin(), full.end());
    const ByteSpan writer = in.sized_bytes(4096);
    config.writer_bundle.assign(writer.begin(), writer.end());
    if (in.ok() && !in.at_end()) {
        const std::uint8_t flags = in.u8();
        if (flags == 0 || (flags & ~(flag_no_parity | flag_lock)) != 0) return bad_config();
        config.has_parity = (flags & flag_no_parity) == 0;
        if ((flags & flag_lock) != 0) {
            config.lock.mode = static_cast<LockRules::Mode>(in.u8());
            config.lock.period = static_cast<TimeNs>(in.u64());
            config.lock.generation = static_cast<TimeNs>(in.u64());
            if (!is_valid(config.lock)) return bad_config();
        }
    }
    if (!in.complete() || !is_valid(config.chunk_sizes)) return bad_config();
    return config;
}

}  // namespace holdfast
