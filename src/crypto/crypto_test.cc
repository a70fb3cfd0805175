#include <gtest/gtest.h>

#include "crypto/aead.h"
#include "crypto/digest.h"
#include "crypto/key_agreement.h"

namespace holdfast {
namespace {

SecretKey test_key(std::uint8_t first) {
    std::array<std::uint8_t, 32> bytes{};
    bytes[0] = first;
    return SecretKey(bytes);
}

Bytes pattern(std::size_t size) {
    Bytes data(size);
    for (std::size_t i = 0; i < size; ++i) data[i] = static_cast<std::uint8_t>(i % 251);
    return data;
}

// test_vectors.json of the BLAKE3 reference: input bytes count 0..250 and repeat.
TEST(DigestTest, OfficialVectors) {
    EXPECT_EQ(to_hex(plain_hash(pattern(0)).bytes),
              "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262");
    const auto key_text = as_bytes("whats the Elvish word for friend");
    std::array<std::uint8_t, 32> key{};
    std::copy(key_text.begin(), key_text.end(), key.begin());
    EXPECT_EQ(to_hex(keyed_hash(SecretKey(key), pattern(0)).bytes),
              "92b2b75604ed3c761f9d6f62392c8a9227ad0ea3f09573e783f1498a4ed60d26");
    EXPECT_EQ(to_hex(derive_key("BLAKE3 2019-12-27 16:29:52 test vectors context", pattern(0)).bytes()),
              "2cc39783c223154fea8dfb7c1b1660f2ac2dcbd1c1de8277b0b0dd39b7e50d7d");
}

TEST(DigestTest, PagesHashLikeOneByOne) {
    const SecretKey key = test_key(7);
    for (const std::size_t page : {4096u, 8192u, 16384u, 65536u}) {
        for (const std::size_t count : {1u, 3u, 16u, 37u}) {
            const Bytes data = pattern(page * count);
            std::vector<Digest> out(count);
            keyed_hash_pages(key, data, page, out);
            for (std::size_t i = 0; i < count; ++i)
                ASSERT_EQ(out[i], keyed_hash(key, ByteSpan(data).subspan(i * page, page)));
        }
    }
}

TEST(AeadTest, OpensWhatItSealedAndNothingElse) {
    for (const auto algorithm : {AeadAlgorithm::aes_256_gcm, AeadAlgorithm::chacha20_poly1305}) {
        Aead aead(algorithm, test_key(1));
        const Bytes plain = pattern(1000);
        Bytes sealed(plain.size() + aead_tag_bytes), opened(plain.size());
        aead.seal(5, as_bytes("aad"), plain, sealed);
        EXPECT_TRUE(aead.open(5, as_bytes("aad"), sealed, opened).ok());
        EXPECT_EQ(opened, plain);
        EXPECT_EQ(aead.open(6, as_bytes("aad"), sealed, opened).error().code(), ErrorCode::corrupt);
        EXPECT_FALSE(aead.open(5, as_bytes("aae"), sealed, opened).ok());
        sealed[500] ^= 1;
        EXPECT_FALSE(aead.open(5, as_bytes("aad"), sealed, opened).ok());
        EXPECT_FALSE(Aead(algorithm, test_key(2)).open(5, as_bytes("aad"), sealed, opened).ok());
    }
}

// McGrew and Viega, test case 14: all-zero key, nonce and block.
TEST(AeadTest, GcmKnownAnswer) {
    Bytes sealed(32);
    Aead(AeadAlgorithm::aes_256_gcm, SecretKey{}).seal(0, {}, Bytes(16), sealed);
    EXPECT_EQ(to_hex(sealed), "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919");
}

TEST(KeyAgreementTest, BothSidesAgree) {
    const SecretKey a = test_key(3), b = test_key(4);
    const auto ab = agree(a, agreement_public_key(b));
    const auto ba = agree(b, agreement_public_key(a));
    EXPECT_TRUE(ab.value().equals(ba.value()));
    EXPECT_FALSE(agree(a, PublicKey{}).ok());
}

TEST(KeyAgreementTest, SignaturesHoldForOneMessageAndKey) {
    const SecretKey seed = test_key(9);
    const Signature signature = sign(seed, as_bytes("message"));
    EXPECT_TRUE(signature_is_valid(signing_public_key(seed), as_bytes("message"), signature));
    EXPECT_FALSE(signature_is_valid(signing_public_key(seed), as_bytes("messagf"), signature));
    EXPECT_FALSE(signature_is_valid(signing_public_key(test_key(8)), as_bytes("message"), signature));
}

TEST(KeyAgreementTest, PassphraseCostIsBounded) {
    EXPECT_TRUE(stretch_passphrase(as_bytes("p"), {}, {1, 64}).ok());
    EXPECT_EQ(stretch_passphrase(as_bytes("p"), {}, {1000, 64}).error().code(), ErrorCode::corrupt);
}

}  // namespace
}  // namespace holdfast
