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
constexpr std::uint8_t flag_no_parity = 1;

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
    if (!config.has_parity) out.u8(flag_no_parity);
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
        if (flags != flag_no_parity) return bad_config();
        config.has_parity = false;
    }
    if (!in.complete() || !is_valid(config.chunk_sizes)) return bad_config();
    return config;
}

}  // namespace holdfast
