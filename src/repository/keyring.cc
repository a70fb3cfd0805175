#include "repository/keyring.h"

#include "crypto/aead.h"

namespace holdfast {
namespace {

// The key that seals an object's key for a write-only client's objects.
SecretKey seal_key_of(const SecretKey& shared, const PublicKey& ephemeral, const PublicKey& target) {
    Bytes material(shared.bytes().begin(), shared.bytes().end());
    material.insert(material.end(), ephemeral.begin(), ephemeral.end());
    material.insert(material.end(), target.begin(), target.end());
    SecretKey key = derive_key("holdfast 2026 sealed object key", material);
    wipe(material);
    return key;
}

void append_commitment(const SecretKey& key, EnvelopeHeader& header) {
    const Digest commitment = key_commitment(key, header.object);
    header.key_block.insert(
        header.key_block.end(), commitment.bytes.begin(), commitment.bytes.end());
}

}  // namespace

Keyring::Keyring(const RepositoryId& repository, std::vector<FullSecrets> epochs)
    : Keyring(repository, epochs.back().writer, static_cast<std::uint16_t>(epochs.size())) {
    role_ = KeyRole::full;
    for (FullSecrets& secrets : epochs) {
        const SecretKey object_key = derive_key("holdfast 2026 object key", secrets.wrapping_key.bytes());
        epochs_.push_back({std::move(secrets), object_key});
    }
}

Keyring::Keyring(const RepositoryId& repository, WriterSecrets secrets, std::uint16_t epoch)
    : repository_(repository), role_(KeyRole::writer), epoch_(epoch), writer_(std::move(secrets)) {
    const auto& hash_key = writer_.hash_key.bytes();
    member_key_ = derive_key("holdfast 2026 member hash", hash_key);
    id_key_ = derive_key("holdfast 2026 chunk id", hash_key);
}

const FullSecrets& Keyring::full() const {
    HF_CHECK(role_ == KeyRole::full);
    return epochs_.back().secrets;
}

SourceId Keyring::source_id(std::string_view host, std::string_view name) const {
    Bytes message;
    ByteWriter out(message);
    out.sized_text(host);
    out.sized_text(name);
    const Digest digest = keyed_hash(writer_.name_key, message);
    SourceId id;
    std::copy_n(digest.bytes.begin(), id.bytes.size(), id.bytes.begin());
    return id;
}

HostTag Keyring::host_tag(std::string_view host) const {
    Bytes message;
    ByteWriter out(message);
    out.bytes(as_bytes("host of a client"));
    out.sized_text(host);
    const Digest digest = keyed_hash(writer_.name_key, message);
    HostTag tag;
    std::copy_n(digest.bytes.begin(), tag.size(), tag.begin());
    return tag;
}

Status Keyring::check_host(std::string_view host) const {
    if (host_ == HostTag{} || host_ == host_tag(host)) return {};
    return Error(ErrorCode::permission_denied,
                 "the key may not back up host " + std::string(host) + ": it was made for another one");
}

ObjectSigner Keyring::epoch_signer() const {
    return {KeySlotId{}, epoch_, full().signing_key()};
}

Status Keyring::check_epoch_signature(const ObjectSignature& signature, ByteSpan message) const {
    const Error bad(ErrorCode::corrupt, "not signed by somebody who can read the repository");
    if (signature.signer != KeySlotId{}) return bad;
    if (signature.epoch < first_key_epoch || signature.epoch > epoch_) return bad;
    if (role_ == KeyRole::writer && signature.epoch != epoch_) return bad;
    const auto& verify_key = role_ == KeyRole::writer
                                 ? writer_.verify_key
                                 : epochs_[signature.epoch - first_key_epoch].secrets.writer.verify_key;
    if (!verify_key || !signature_is_valid(*verify_key, message, signature.bytes)) return bad;
    return {};
}

EnvelopeHeader Keyring::header_of(ObjectKind kind, const ObjectId& id) const {
    HF_CHECK(!is_clear_kind(kind));
    EnvelopeHeader header;
    header.kind = kind;
    header.aead = preferred_aead();
    header.repository = repository_;
    header.object = id;
    header.key_epoch = epoch_;
    return header;
}

ObjectKey Keyring::new_object(ObjectKind kind, Random& random) const {
    const ObjectId id = ObjectId::random(random);
    if (role_ == KeyRole::writer) return object_again(kind, id, random);
    ObjectKey result;
    result.has_parity = has_parity_;
    result.header = header_of(kind, id);
    result.header.key_mode = KeyMode::symmetric;
    result.key = SecretKey(keyed_hash(epochs_.back().object_key, id.bytes).bytes);
    append_commitment(result.key, result.header);
    return result;
}

ObjectKey Keyring::object_again(ObjectKind kind, const ObjectId& id, Random& random) const {
    ObjectKey result;
    result.has_parity = has_parity_;
    EnvelopeHeader& header = result.header;
    header = header_of(kind, id);
    header.key_mode = KeyMode::sealed;
    result.signer = role_ == KeyRole::full ? std::optional(epoch_signer()) : client_;
    result.key = SecretKey(random.array<32>());
    const SecretKey ephemeral(random.array<32>());
    const PublicKey public_key = agreement_public_key(ephemeral);
    const auto shared = agree(ephemeral, writer_.seal_key);
    HF_CHECK(shared.ok());
    header.key_block.assign(public_key.begin(), public_key.end());
    header.key_block.resize(32 + SecretKey::size + aead_tag_bytes);
    Aead(AeadAlgorithm::aes_256_gcm, seal_key_of(*shared, public_key, writer_.seal_key))
        .seal(0, header.object.bytes, result.key.bytes(),
              MutableByteSpan(header.key_block).subspan(32));
    append_commitment(result.key, header);
    // Contents it need not read again.
    if (own_ && (kind == ObjectKind::metadata_pack || kind == ObjectKind::restore_point)) own_->add_key(id, result.key);
    return result;
}

Result<SecretKey> Keyring::own_key(const EnvelopeHeader& header) const {
    const auto key = own_ ? own_->key(header.object) : std::nullopt;
    if (!key) return Error(ErrorCode::permission_denied, "a write-only key cannot read the repository");
    return *key;
}

Result<SecretKey> Keyring::object_key(const EnvelopeHeader& header) const {
    if (header.key_mode == KeyMode::clear) return SecretKey{};
    if (role_ == KeyRole::writer) return own_key(header);
    if (header.repository != repository_)
        return Error(ErrorCode::corrupt, "an object of another repository");
    if (header.key_epoch < first_key_epoch || header.key_epoch > epoch_)
        return Error(ErrorCode::wrong_key, "no key for epoch " + std::to_string(header.key_epoch));
    const Epoch& epoch = epochs_[header.key_epoch - first_key_epoch];
    SecretKey key;
    const ByteSpan block = header.key_block;
    if (header.key_mode == KeyMode::symmetric) {
        key = SecretKey(keyed_hash(epoch.object_key, header.object.bytes).bytes);
    } else {
        PublicKey ephemeral;
        std::copy_n(block.begin(), ephemeral.size(), ephemeral.begin());
        HF_TRY(const SecretKey shared, agree(epoch.secrets.agreement_key, ephemeral));
        Aead aead(AeadAlgorithm::aes_256_gcm,
                  seal_key_of(shared, ephemeral, epoch.secrets.writer.seal_key));
        HF_TRY_STATUS(aead.open(0, header.object.bytes, block.subspan(32, 48), key.writable()));
    }
    const Digest commitment = key_commitment(key, header.object);
    if (!std::equal(commitment.bytes.begin(), commitment.bytes.end(), block.end() - 32))
        return Error(ErrorCode::corrupt, "the object's key does not match its commitment");
    return key;
}

}  // namespace holdfast
