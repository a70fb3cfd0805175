// The secrets of an open repository and what is derived from them.
#pragma once

#include "base/random.h"
#include "base/result.h"
#include "format/chunk.h"
#include "format/config.h"
#include "format/key_epoch.h"
#include "repository/client_state.h"

namespace holdfast {

// Who signs objects.
struct ObjectSigner {
    KeySlotId id;  // of zeros: the epoch
    std::uint16_t epoch = 0;
    SecretKey signing_key;
};

// An object's header and the key of its frames, whether parity follows them, and who signs it.
struct ObjectKey {
    EnvelopeHeader header;
    SecretKey key;
    bool has_parity = true;
    std::optional<ObjectSigner> signer;
};

// Immutable after construction; thread-safe.
class Keyring {
  public:
    // The secrets of each epoch, the first one first; what is new is of the last one.
    Keyring(const RepositoryId& repository, std::vector<FullSecrets> epochs);
    // A write-only client: seals objects that it cannot open, in the last epoch.
    Keyring(const RepositoryId& repository, WriterSecrets secrets, std::uint16_t epoch = first_key_epoch);

    const RepositoryId& repository() const { return repository_; }
    KeyRole role() const { return role_; }
    // Whether new objects get parity; they do, unless this says otherwise. Before the keyring is shared.
    void set_parity(bool has_parity) { has_parity_ = has_parity; }
    // The last epoch, and its secrets.
    std::uint16_t epoch() const { return epoch_; }
    const WriterSecrets& writer() const { return writer_; }
    // Of role writer: who signs all that it makes, if its slot has a key for that, and of which host its restore points
    // may be. Before the keyring is shared.
    void set_client(ObjectSigner signer, const HostTag& host) {
        client_ = std::move(signer);
        host_ = host;
    }
    // Of role writer: its slot, if set_client() said it.
    std::optional<KeySlotId> client() const {
        return client_ && role_ == KeyRole::writer ? std::optional(client_->id) : std::nullopt;
    }
    // Keeps the keys of the client's own metadata packs and restore points, and knows them again. Before the keyring
    // is shared.
    void set_client_state(std::shared_ptr<ClientState> own) { own_ = std::move(own); }
    // The tag of a host to which a client is bound. Not that of no host.
    HostTag host_tag(std::string_view host) const;
    // Whether restore points of this host may be made. Errors: permission_denied.
    Status check_host(std::string_view host) const;
    // Signs what only somebody who can read may say; for role full.
    ObjectSigner epoch_signer() const;
    // Whether an epoch has signed: of zeros, and known. Errors: corrupt.
    Status check_epoch_signature(const ObjectSignature& signature, ByteSpan message) const;
    // Full secrets; only for role full.
    const FullSecrets& full() const;

    // Keys of member hashes and of chunk ids.
    const SecretKey& member_key() const { return member_key_; }
    const SecretKey& id_key() const { return id_key_; }

    SourceId source_id(std::string_view host, std::string_view name) const;

    // A fresh object id and key. `kind` must be one whose objects are sealed.
    ObjectKey new_object(ObjectKind kind, Random& random) const;
    // The same with an id that has had another key: a fresh one, sealed, for no key may seal two objects.
    ObjectKey object_again(ObjectKind kind, const ObjectId& id, Random& random) const;
    // Errors: wrong_key for an epoch that is not known, permission_denied for a
    // write-only client, of all but its own; corrupt.
    Result<SecretKey> object_key(const EnvelopeHeader& header) const;

  private:
    Result<SecretKey> own_key(const EnvelopeHeader& header) const;
    EnvelopeHeader header_of(ObjectKind kind, const ObjectId& id) const;

    RepositoryId repository_;
    KeyRole role_;
    bool has_parity_ = true;
    std::uint16_t epoch_;
    WriterSecrets writer_;
    std::optional<ObjectSigner> client_;
    HostTag host_{};
    std::shared_ptr<ClientState> own_;
    struct Epoch {
        FullSecrets secrets;
        SecretKey object_key;
    };
    std::vector<Epoch> epochs_;  // empty for a write-only client
    SecretKey member_key_, id_key_;
};

}  // namespace holdfast
