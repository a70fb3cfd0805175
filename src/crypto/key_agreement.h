// Passphrases to keys, sealing to a public key, signatures. By libsodium.
#pragma once

#include <array>

#include "base/random.h"
#include "base/result.h"
#include "crypto/secret.h"

namespace holdfast {

// Cost of Argon2id (RFC 9106). The default takes about half a second and 256 MiB.
struct Argon2Cost {
    std::uint32_t passes = 3;
    std::uint32_t memory_kib = 256 * 1024;
};

// Errors: invalid_argument for a cost that this machine or the library refuses.
Result<SecretKey> stretch_passphrase(ByteSpan passphrase,
                                     const std::array<std::uint8_t, 16>& salt,
                                     Argon2Cost cost);

using PublicKey = std::array<std::uint8_t, 32>;
using Signature = std::array<std::uint8_t, 64>;

// X25519 (RFC 7748).
PublicKey agreement_public_key(const SecretKey& secret);
// Errors: corrupt when `other` is one of the few points that give no secret.
Result<SecretKey> agree(const SecretKey& secret, const PublicKey& other);

// Ed25519 (RFC 8032); `seed` is the secret key.
PublicKey signing_public_key(const SecretKey& seed);
Signature sign(const SecretKey& seed, ByteSpan message);
bool signature_is_valid(const PublicKey& key, ByteSpan message, const Signature& signature);

}  // namespace holdfast
