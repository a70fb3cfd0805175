#include "format/key_bundles.h"

#include "crypto/aead.h"
#include "crypto/digest.h"

namespace holdfast {
namespace {

Error bad_bundle() {
    return {ErrorCode::corrupt, "a damaged bundle of keys"};
}

constexpr std::string_view full_context = "holdfast 2026 full bundle";
constexpr std::string_view writer_context = "holdfast 2026 writer bundle";

// A bundle is sealed once with a key of its own, so the counter is always zero.
Bytes seal_bundle(Bytes plain, const SecretKey& key, std::string_view context, ByteSpan associated) {
    Aead aead(AeadAlgorithm::aes_256_gcm, derive_key(context, key.bytes()));
    Bytes sealed(plain.size() + aead_tag_bytes);
    aead.seal(0, associated, plain, sealed);
    wipe(plain);
    return sealed;
}

Result<Bytes> open_bundle(ByteSpan sealed,
                          const SecretKey& key,
                          std::string_view context,
                          ByteSpan associated) {
    Aead aead(AeadAlgorithm::aes_256_gcm, derive_key(context, key.bytes()));
    if (sealed.size() < aead_tag_bytes) return bad_bundle();
    Bytes plain(sealed.size() - aead_tag_bytes);
    HF_TRY_STATUS(aead.open(0, associated, sealed, plain));
    return plain;
}

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

}  // namespace

SecretKey FullSecrets::signing_key() const {
    return derive_key("holdfast 2026 epoch signing key", wrapping_key.bytes());
}

void renew_epoch_secrets(FullSecrets& secrets, Random& random) {
    secrets.agreement_key = SecretKey(random.array<32>());
    secrets.writer_master = SecretKey(random.array<32>());
    secrets.wrapping_key = SecretKey(random.array<32>());
    secrets.writer.seal_key = agreement_public_key(secrets.agreement_key);
    secrets.writer.verify_key = signing_public_key(secrets.signing_key());
}

Bytes seal_full_bundle(const FullSecrets& secrets, const SecretKey& master, ByteSpan associated) {
    Bytes plain;
    ByteWriter out(plain);
    encode_writer(secrets.writer, out);
    out.bytes(secrets.writer_master.bytes());
    out.bytes(secrets.wrapping_key.bytes());
    out.bytes(secrets.agreement_key.bytes());
    return seal_bundle(std::move(plain), master, full_context, associated);
}

Result<FullSecrets> open_full_bundle(ByteSpan bundle, const SecretKey& master, ByteSpan associated) {
    HF_TRY(Bytes plain, open_bundle(bundle, master, full_context, associated));
    ByteReader in(plain);
    FullSecrets secrets;
    secrets.writer = decode_writer(in);
    secrets.writer_master = SecretKey(in.array<32>());
    secrets.wrapping_key = SecretKey(in.array<32>());
    secrets.agreement_key = SecretKey(in.array<32>());
    const bool complete = in.complete();
    wipe(plain);
    if (!complete) return bad_bundle();
    secrets.writer.verify_key = signing_public_key(secrets.signing_key());
    return secrets;
}

Bytes seal_writer_bundle(const WriterSecrets& secrets,
                         const SecretKey& writer_master,
                         ByteSpan associated) {
    Bytes plain;
    ByteWriter out(plain);
    encode_writer(secrets, out);
    if (secrets.verify_key) out.bytes(*secrets.verify_key);
    return seal_bundle(std::move(plain), writer_master, writer_context, associated);
}

Result<WriterSecrets> open_writer_bundle(ByteSpan bundle,
                                         const SecretKey& writer_master,
                                         ByteSpan associated) {
    HF_TRY(Bytes plain, open_bundle(bundle, writer_master, writer_context, associated));
    ByteReader in(plain);
    WriterSecrets secrets = decode_writer(in);
    if (in.ok() && !in.at_end()) secrets.verify_key = in.array<32>();
    const bool complete = in.complete();
    wipe(plain);
    if (!complete) return bad_bundle();
    return secrets;
}

}  // namespace holdfast
