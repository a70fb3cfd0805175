#include "crypto/key_agreement.h"

#include <sodium.h>

namespace holdfast {
namespace {

void ready() {
    static const bool initialised = sodium_init() >= 0;
    HF_CHECK(initialised);
}

struct SigningKey {
    std::array<std::uint8_t, crypto_sign_SECRETKEYBYTES> secret{};
    PublicKey public_key{};
    explicit SigningKey(const SecretKey& seed) {
        ready();
        HF_CHECK(crypto_sign_seed_keypair(
                     public_key.data(), secret.data(), seed.bytes().data()) == 0);
    }
    ~SigningKey() { wipe(secret); }
    SigningKey(const SigningKey&) = delete;
    SigningKey& operator=(const SigningKey&) = delete;
};

}  // namespace

Result<SecretKey> stretch_passphrase(ByteSpan passphrase,
                                     const std::array<std::uint8_t, 16>& salt,
                                     Argon2Cost cost) {
    ready();
    static_assert(crypto_pwhash_SALTBYTES == 16);
    // Bounds on what a key slot may ask of this machine: 4 GiB and 64 passes.
    if (cost.memory_kib > 4u * 1024 * 1024 || cost.passes > 64)
        return Error(ErrorCode::corrupt, "key slot: the cost of the passphrase is out of bounds");
    SecretKey key;
    if (crypto_pwhash(key.writable().data(), SecretKey::size,
                      reinterpret_cast<const char*>(passphrase.data()), passphrase.size(),
                      salt.data(), cost.passes, std::size_t{cost.memory_kib} * 1024,
                      crypto_pwhash_ALG_ARGON2ID13) != 0)
        return Error(ErrorCode::invalid_argument, "Argon2id failed: too little memory?");
    return key;
}

PublicKey agreement_public_key(const SecretKey& secret) {
    ready();
    PublicKey key;
    HF_CHECK(crypto_scalarmult_base(key.data(), secret.bytes().data()) == 0);
    return key;
}

Result<SecretKey> agree(const SecretKey& secret, const PublicKey& other) {
    ready();
    SecretKey shared;
    if (crypto_scalarmult(shared.writable().data(), secret.bytes().data(), other.data()) != 0)
        return Error(ErrorCode::corrupt, "a public key of small order");
    return shared;
}

PublicKey signing_public_key(const SecretKey& seed) {
    return SigningKey(seed).public_key;
}

Signature sign(const SecretKey& seed, ByteSpan message) {
    const SigningKey key(seed);
    Signature signature;
    HF_CHECK(crypto_sign_detached(signature.data(), nullptr, message.data(), message.size(),
                                  key.secret.data()) == 0);
    return signature;
}

bool signature_is_valid(const PublicKey& key, ByteSpan message, const Signature& signature) {
    ready();
    return crypto_sign_verify_detached(
               signature.data(), message.data(), message.size(), key.data()) == 0;
}

}  // namespace holdfast
