#include "format/config.h"

#include <bit>

#include "crypto/aead.h"

namespace holdfast {
namespace {

Error bad_config() {
    return {ErrorCode::corrupt, "damaged repository configuration"};
}

// What stands before the bundles, byte by byte.
Bytes clear_part(const ConfigRecord& config) {
    Bytes data;
    ByteWriter out(data);
    out.bytes(config.repository.bytes);
    out.u64(static_cast<std::uint64_t>(config.created));
    out.u32(config.chunk_sizes.min_bytes);
    out.u32(config.chunk_sizes.avg_bytes);
    out.u32(config.chunk_sizes.max_bytes);
    return data;
}

// A bundle is sealed once with a key of its own, so the counter is always zero.
Bytes seal_bundle(ByteSpan plain,
                  const SecretKey& key,
                  std::string_view context,
                  const ConfigRecord& config) {
    Aead aead(AeadAlgorithm::aes_256_gcm, derive_key(context, key.bytes()));
    Bytes sealed(plain.size() + aead_tag_bytes);
    aead.seal(0, clear_part(config), plain, sealed);
    return sealed;
}

Result<Bytes> open_bundle(ByteSpan sealed,
                          const SecretKey& key,
                          std::string_view context,
                          const ConfigRecord& config) {
    Aead aead(AeadAlgorithm::aes_256_gcm, derive_key(context, key.bytes()));
    if (sealed.size() < aead_tag_bytes) return bad_config();
    Bytes plain(sealed.size() - aead_tag_bytes);
    HF_TRY_STATUS(aead.open(0, clear_part(config), sealed, plain));
    return plain;
}

constexpr std::string_view full_context = "holdfast 2026 full bundle";
constexpr std::string_view writer_context = "holdfast 2026 writer bundle";

void encode_writer(const WriterSecrets& secrets, ByteWriter& out) {
    out.bytes(secrets.hash_key.bytes());
    out.bytes(secrets.chunker_key.bytes());
    out.bytes(secrets.name_key.bytes());
    out.bytes(secrets.seal_key);
}

WriterSecrets decode_writer(ByteReader& in) {
    WriterSecrets secrets;
    secrets.hash_key = SecretKey(in.array<32>());
    secrets.chunker_key = SecretKey(in.array<32>());
    secrets.name_key = SecretKey(in.array<32>());
    secrets.seal_key = in.array<32>();
    return secrets;
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

void encode_config(const ConfigRecord& config, ByteWriter& out) {
    out.bytes(clear_part(config));
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

Bytes seal_full_bundle(const FullSecrets& secrets,
                       const SecretKey& master,
                       const ConfigRecord& config) {
    Bytes plain;
    ByteWriter out(plain);
    encode_writer(secrets.writer, out);
    out.bytes(secrets.writer_master.bytes());
    out.bytes(secrets.wrapping_key.bytes());
    out.bytes(secrets.agreement_key.bytes());
    Bytes sealed = seal_bundle(plain, master, full_context, config);
    wipe(plain);
    return sealed;
}

Result<FullSecrets> open_full_bundle(ByteSpan bundle,
                                     const SecretKey& master,
                                     const ConfigRecord& config) {
    HF_TRY(Bytes plain, open_bundle(bundle, master, full_context, config));
    ByteReader in(plain);
    FullSecrets secrets;
    secrets.writer = decode_writer(in);
    secrets.writer_master = SecretKey(in.array<32>());
    secrets.wrapping_key = SecretKey(in.array<32>());
    secrets.agreement_key = SecretKey(in.array<32>());
    const bool complete = in.complete();
    wipe(plain);
    if (!complete) return bad_config();
    return secrets;
}

Bytes seal_writer_bundle(const WriterSecrets& secrets,
                         const SecretKey& writer_master,
                         const ConfigRecord& config) {
    Bytes plain;
    ByteWriter out(plain);
    encode_writer(secrets, out);
    Bytes sealed = seal_bundle(plain, writer_master, writer_context, config);
    wipe(plain);
    return sealed;
}

Result<WriterSecrets> open_writer_bundle(ByteSpan bundle,
                                         const SecretKey& writer_master,
                                         const ConfigRecord& config) {
    HF_TRY(Bytes plain, open_bundle(bundle, writer_master, writer_context, config));
    ByteReader in(plain);
    WriterSecrets secrets = decode_writer(in);
    const bool complete = in.complete();
    wipe(plain);
    if (!complete) return bad_config();
    return secrets;
}

}  // namespace holdfast
