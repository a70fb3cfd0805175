// Authenticated encryption with counter nonces, by OpenSSL.
#pragma once

#include <memory>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/secret.h"

namespace holdfast {

// The numbers are stored (docs/format.md#envelope).
enum class AeadAlgorithm : std::uint8_t { aes_256_gcm = 1, chacha20_poly1305 = 2 };

inline constexpr std::size_t aead_tag_bytes = 16;

// The faster of the two on this processor: AES-256-GCM where AES is done by the hardware.
AeadAlgorithm preferred_aead();

// One key, many messages. A (key, counter) pair must be sealed at most once: callers draw a fresh
// key for each object and number its frames. Not thread-safe.
class Aead {
  public:
    Aead(AeadAlgorithm algorithm, const SecretKey& key);
    Aead(Aead&&) noexcept;
    Aead& operator=(Aead&&) noexcept;
    ~Aead();

    // out.size() == plain.size() + aead_tag_bytes; out may start at plain's address.
    void seal(std::uint64_t counter, ByteSpan aad, ByteSpan plain, MutableByteSpan out);
    // out.size() == sealed.size() - aead_tag_bytes. Errors: corrupt.
    Status open(std::uint64_t counter, ByteSpan aad, ByteSpan sealed, MutableByteSpan out);

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace holdfast
