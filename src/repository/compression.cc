#include "repository/compression.h"

#include <zstd.h>

#include "crypto/aead.h"

namespace holdfast {
namespace {

// Two tables of 4-byte entries: 2^15 for long matches, 2^12 for short ones. docs/adr/0007.
constexpr int cached_hash_log = 15, cached_chain_log = 12;

}  // namespace

struct Compressor::Context {
    ZSTD_CCtx* zstd = ZSTD_createCCtx();
    const CompressionLevel level;
    std::unique_ptr<std::uint8_t[]> buffer;
    std::size_t buffer_bytes = 0;
    explicit Context(CompressionLevel l) : level(l) {
        HF_CHECK(zstd != nullptr);
        set(ZSTD_c_compressionLevel, static_cast<int>(l));
    }
    void set(ZSTD_cParameter parameter, int value) {
        HF_CHECK(ZSTD_isError(ZSTD_CCtx_setParameter(zstd, parameter, value)) == 0u);
    }
    // 0 leaves a parameter to the level.
    void use(MatchTables tables) {
        const bool small = tables == MatchTables::in_cache && level == CompressionLevel::standard;
        set(ZSTD_c_hashLog, small ? cached_hash_log : 0);
        set(ZSTD_c_chainLog, small ? cached_chain_log : 0);
    }
    ~Context() { ZSTD_freeCCtx(zstd); }
    Context(const Context&) = delete;
    Context& operator=(const Context&) = delete;
};

Compressor::Compressor(CompressionLevel level) : context_(std::make_unique<Context>(level)) {}
Compressor::~Compressor() = default;

void Compressor::append(ByteSpan raw, Bytes& out, MatchTables tables) {
    context_->use(tables);
    // Into a buffer that stays, as the result's size is not known before.
    const std::size_t bound = ZSTD_compressBound(raw.size());
    if (context_->buffer_bytes < bound) {
        context_->buffer = std::make_unique_for_overwrite<std::uint8_t[]>(bound);
        context_->buffer_bytes = bound;
    }
    const std::size_t size = ZSTD_compress2(
        context_->zstd, context_->buffer.get(), bound, raw.data(), raw.size());
    HF_CHECK(ZSTD_isError(size) == 0u);
    // Less than one part in 64 is not worth the time that decompression takes.
    const bool is_smaller = size < raw.size() - raw.size() / 64;
    const ByteSpan payload = is_smaller ? ByteSpan(context_->buffer.get(), size) : raw;
    out.reserve(out.size() + 1 + payload.size() + aead_tag_bytes);
    out.push_back(static_cast<std::uint8_t>(is_smaller ? Codec::zstd : Codec::none));
    out.insert(out.end(), payload.begin(), payload.end());
}

namespace {

struct DecompressionContext {
    ZSTD_DCtx* zstd = ZSTD_createDCtx();
    DecompressionContext() { HF_CHECK(zstd != nullptr); }
    ~DecompressionContext() { ZSTD_freeDCtx(zstd); }
    DecompressionContext(const DecompressionContext&) = delete;
    DecompressionContext& operator=(const DecompressionContext&) = delete;
};

}  // namespace

Status decompress(ByteSpan stored, MutableByteSpan out) {
    const Error bad(ErrorCode::corrupt, "damaged compressed data");
    if (stored.empty()) return bad;
    const ByteSpan payload = stored.subspan(1);
    if (stored[0] == static_cast<std::uint8_t>(Codec::none)) {
        if (payload.size() != out.size()) return bad;
        std::copy(payload.begin(), payload.end(), out.begin());
        return {};
    }
    if (stored[0] != static_cast<std::uint8_t>(Codec::zstd)) return bad;
    thread_local DecompressionContext context;
    const std::size_t size = ZSTD_decompressDCtx(
        context.zstd, out.data(), out.size(), payload.data(), payload.size());
    if (ZSTD_isError(size) != 0u || size != out.size()) return bad;
    return {};
}

}  // namespace holdfast
