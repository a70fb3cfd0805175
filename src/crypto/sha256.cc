#include "crypto/sha256.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/check.h"

namespace holdfast {
namespace {

template <std::size_t N>
std::array<std::uint8_t, N> digest(const EVP_MD* kind, ByteSpan data) {
    std::array<std::uint8_t, N> result{};
    unsigned int bytes = 0;
    HF_CHECK(EVP_Digest(data.data(), data.size(), result.data(), &bytes, kind, nullptr) == 1);
    HF_CHECK(bytes == N);
    return result;
}

}  // namespace

std::array<std::uint8_t, 32> sha256(ByteSpan data) {
    return digest<32>(EVP_sha256(), data);
}

std::array<std::uint8_t, 16> md5(ByteSpan data) {
    return digest<16>(EVP_md5(), data);
}

std::array<std::uint8_t, 32> hmac_sha256(ByteSpan key, ByteSpan data) {
    std::array<std::uint8_t, 32> result{};
    unsigned int bytes = 0;
    HF_CHECK(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), data.data(), data.size(), result.data(),
                  &bytes) != nullptr);
    HF_CHECK(bytes == result.size());
    return result;
}

}  // namespace holdfast
