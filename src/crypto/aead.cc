#include "crypto/aead.h"

#include <openssl/evp.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif
#if defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#include <climits>

namespace holdfast {
namespace {

const EVP_CIPHER* cipher_of(AeadAlgorithm algorithm) {
    // Fetched once: a fetch for each message costs more than sealing a small one.
    static EVP_CIPHER* const aes = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
    static EVP_CIPHER* const chacha = EVP_CIPHER_fetch(nullptr, "ChaCha20-Poly1305", nullptr);
    const EVP_CIPHER* cipher = algorithm == AeadAlgorithm::aes_256_gcm ? aes : chacha;
    HF_CHECK(cipher != nullptr);
    return cipher;
}

bool has_hardware_aes() {
#if defined(__x86_64__)
    unsigned a = 0, b = 0, c = 0, d = 0;
    return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_AES) != 0 && (c & bit_PCLMUL) != 0;
#elif defined(__aarch64__)
    return (::getauxval(AT_HWCAP) & HWCAP_AES) != 0;
#else
    return false;
#endif
}

// The 96-bit nonce: the counter, little-endian, then zeros.
std::array<std::uint8_t, 12> nonce_of(std::uint64_t counter) {
    std::array<std::uint8_t, 12> nonce{};
    for (std::size_t i = 0; i < 8; ++i) nonce[i] = static_cast<std::uint8_t>(counter >> (8 * i));
    return nonce;
}

int to_int(std::size_t size) {
    HF_CHECK(size <= INT_MAX);
    return static_cast<int>(size);
}

}  // namespace

AeadAlgorithm preferred_aead() {
    static const bool hardware = has_hardware_aes();
    return hardware ? AeadAlgorithm::aes_256_gcm : AeadAlgorithm::chacha20_poly1305;
}

struct Aead::State {
    EVP_CIPHER_CTX* seal = EVP_CIPHER_CTX_new();
    EVP_CIPHER_CTX* open = nullptr;
    AeadAlgorithm algorithm;
    SecretKey key;

    State(AeadAlgorithm a, const SecretKey& k) : algorithm(a), key(k) {
        HF_CHECK(seal != nullptr);
        HF_CHECK(EVP_EncryptInit_ex2(
                     seal, cipher_of(algorithm), key.bytes().data(), nullptr, nullptr) == 1);
    }
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    ~State() {
        EVP_CIPHER_CTX_free(seal);
        EVP_CIPHER_CTX_free(open);
    }
};

Aead::Aead(AeadAlgorithm algorithm, const SecretKey& key)
    : state_(std::make_unique<State>(algorithm, key)) {}
Aead::Aead(Aead&&) noexcept = default;
Aead& Aead::operator=(Aead&&) noexcept = default;
Aead::~Aead() = default;

void Aead::seal(std::uint64_t counter, ByteSpan aad, ByteSpan plain, MutableByteSpan out) {
    HF_CHECK(out.size() == plain.size() + aead_tag_bytes);
    EVP_CIPHER_CTX* context = state_->seal;
    const auto nonce = nonce_of(counter);
    int written = 0;
    bool done = EVP_EncryptInit_ex2(context, nullptr, nullptr, nonce.data(), nullptr) == 1;
    done = done && EVP_EncryptUpdate(context, nullptr, &written, aad.data(), to_int(aad.size())) == 1;
    if (!plain.empty())
        done = done && EVP_EncryptUpdate(context, out.data(), &written, plain.data(),
                                         to_int(plain.size())) == 1;
    done = done && EVP_EncryptFinal_ex(context, out.data() + plain.size(), &written) == 1;
    done = done && EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, aead_tag_bytes,
                                       out.data() + plain.size()) == 1;
    HF_CHECK(done);
}

Status Aead::open(std::uint64_t counter, ByteSpan aad, ByteSpan sealed, MutableByteSpan out) {
    if (sealed.size() < aead_tag_bytes) return Error(ErrorCode::corrupt, "sealed data is too short");
    HF_CHECK(out.size() == sealed.size() - aead_tag_bytes);
    if (state_->open == nullptr) {
        state_->open = EVP_CIPHER_CTX_new();
        HF_CHECK(state_->open != nullptr &&
                 EVP_DecryptInit_ex2(state_->open, cipher_of(state_->algorithm),
                                     state_->key.bytes().data(), nullptr, nullptr) == 1);
    }
    EVP_CIPHER_CTX* context = state_->open;
    const auto nonce = nonce_of(counter);
    std::array<std::uint8_t, aead_tag_bytes> tag;
    std::memcpy(tag.data(), sealed.data() + out.size(), tag.size());
    int written = 0;
    bool done = EVP_DecryptInit_ex2(context, nullptr, nullptr, nonce.data(), nullptr) == 1;
    done = done && EVP_DecryptUpdate(context, nullptr, &written, aad.data(), to_int(aad.size())) == 1;
    if (!out.empty())
        done = done && EVP_DecryptUpdate(context, out.data(), &written, sealed.data(),
                                         to_int(out.size())) == 1;
    done = done &&
           EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, aead_tag_bytes, tag.data()) == 1;
    HF_CHECK(done);
    std::uint8_t nothing[16];
    if (EVP_DecryptFinal_ex(context, nothing, &written) != 1) {
        wipe(out);
        return Error(ErrorCode::corrupt, "authentication failed: damaged data or a wrong key");
    }
    return {};
}

}  // namespace holdfast
