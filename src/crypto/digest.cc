#include "crypto/digest.h"

extern "C" {
#include <blake3.h>
// The batch primitive below is internal to the BLAKE3 C sources, hence declared here; its form has
// been the same since 1.0.
void blake3_hash_many(const std::uint8_t* const* inputs,
                      std::size_t num_inputs,
                      std::size_t blocks,
                      const std::uint32_t key[8],
                      std::uint64_t counter,
                      bool increment_counter,
                      std::uint8_t flags,
                      std::uint8_t flags_start,
                      std::uint8_t flags_end,
                      std::uint8_t* out);
}

#include "base/check.h"

namespace holdfast {

struct Hasher::State {
    blake3_hasher hasher;
};

Hasher::Hasher() : state_(std::make_unique<State>()) {
    blake3_hasher_init(&state_->hasher);
}

Hasher::Hasher(const SecretKey& key) : state_(std::make_unique<State>()) {
    blake3_hasher_init_keyed(&state_->hasher, key.bytes().data());
}

Hasher::Hasher(Hasher&&) noexcept = default;
Hasher& Hasher::operator=(Hasher&&) noexcept = default;
Hasher::~Hasher() {
    if (state_) wipe({reinterpret_cast<std::uint8_t*>(&state_->hasher), sizeof state_->hasher});
}

void Hasher::update(ByteSpan data) {
    blake3_hasher_update(&state_->hasher, data.data(), data.size());
}

Digest Hasher::finish() const {
    Digest digest;
    blake3_hasher_finalize(&state_->hasher, digest.bytes.data(), digest.bytes.size());
    return digest;
}

Digest plain_hash(ByteSpan data) {
    Digest digest;
    blake3_hasher hasher;
    blake3_hasher_init(&hasher);
    blake3_hasher_update(&hasher, data.data(), data.size());
    blake3_hasher_finalize(&hasher, digest.bytes.data(), digest.bytes.size());
    return digest;
}

Digest keyed_hash(const SecretKey& key, ByteSpan data) {
    Digest digest;
    blake3_hasher hasher;
    blake3_hasher_init_keyed(&hasher, key.bytes().data());
    blake3_hasher_update(&hasher, data.data(), data.size());
    blake3_hasher_finalize(&hasher, digest.bytes.data(), digest.bytes.size());
    return digest;
}

SecretKey derive_key(std::string_view context, ByteSpan material) {
    blake3_hasher hasher;
    blake3_hasher_init_derive_key_raw(&hasher, context.data(), context.size());
    blake3_hasher_update(&hasher, material.data(), material.size());
    SecretKey key;
    blake3_hasher_finalize(&hasher, key.writable().data(), SecretKey::size);
    wipe({reinterpret_cast<std::uint8_t*>(&hasher), sizeof hasher});
    return key;
}

namespace {

// Domain flags of BLAKE3, section 2.2 of the paper.
constexpr std::uint8_t chunk_start = 1, chunk_end = 2, parent = 4, root = 8, keyed = 16;
constexpr std::size_t leaf_bytes = 1024, block_bytes = 64;
// Pages hashed together: a multiple of the widest vector (16 lanes of AVX-512).
constexpr std::size_t batch_pages = 16;
constexpr std::size_t max_leaves = 64;

// One batch: every page's leaves, then the levels of its tree, each level over all pages at once.
void hash_batch(const std::uint32_t key_words[8],
                const std::uint8_t* data,
                std::size_t pages,
                std::size_t leaves,
                Digest* out) {
    // Chaining values of one level, ordered by position in the page, then by page.
    std::uint8_t values[max_leaves * batch_pages * 32];
    const std::uint8_t* inputs[batch_pages];
    for (std::size_t leaf = 0; leaf < leaves; ++leaf) {
        for (std::size_t page = 0; page < pages; ++page)
            inputs[page] = data + (page * leaves + leaf) * leaf_bytes;
        blake3_hash_many(inputs, pages, leaf_bytes / block_bytes, key_words, leaf, false, keyed,
                         chunk_start, chunk_end, values + leaf * pages * 32);
    }
    std::uint8_t pairs[batch_pages * block_bytes];
    for (std::size_t count = leaves; count > 1; count /= 2) {
        const std::uint8_t flags = keyed | parent | (count == 2 ? root : 0);
        for (std::size_t pair = 0; pair < count / 2; ++pair) {
            for (std::size_t page = 0; page < pages; ++page) {
                std::uint8_t* block = pairs + page * block_bytes;
                std::memcpy(block, values + (2 * pair * pages + page) * 32, 32);
                std::memcpy(block + 32, values + ((2 * pair + 1) * pages + page) * 32, 32);
                inputs[page] = block;
            }
            blake3_hash_many(inputs, pages, 1, key_words, 0, false, flags, 0, 0,
                             values + pair * pages * 32);
        }
    }
    for (std::size_t page = 0; page < pages; ++page)
        std::memcpy(out[page].bytes.data(), values + page * 32, 32);
}

}  // namespace

void keyed_hash_pages(const SecretKey& key,
                      ByteSpan data,
                      std::size_t page_bytes,
                      std::span<Digest> out) {
    const std::size_t leaves = page_bytes / leaf_bytes;
    HF_CHECK(std::has_single_bit(page_bytes) && leaves >= 4 && leaves <= max_leaves);
    HF_CHECK(data.size() == out.size() * page_bytes);
    std::uint32_t key_words[8];
    for (std::size_t i = 0; i < 8; ++i) {
        key_words[i] = 0;
        for (std::size_t k = 0; k < 4; ++k)
            key_words[i] |= static_cast<std::uint32_t>(key.bytes()[4 * i + k]) << (8 * k);
    }
    for (std::size_t page = 0; page < out.size(); page += batch_pages) {
        const std::size_t count = std::min(batch_pages, out.size() - page);
        hash_batch(key_words, data.data() + page * page_bytes, count, leaves, &out[page]);
    }
    wipe({reinterpret_cast<std::uint8_t*>(key_words), sizeof key_words});
}

}  // namespace holdfast
