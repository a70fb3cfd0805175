#include "repository/key_epochs.h"

#include <algorithm>

namespace holdfast {
namespace {

Error broken_chain(std::uint16_t epoch) {
    return {ErrorCode::corrupt, key_epoch_name(epoch) + " is not signed by the epoch before it"};
}

// One slot's way through the epochs. The slot holds the master key of its own epoch; each later epoch has the next one
// for it, and is signed by the one before; from an epoch's master key the one before it is opened.
class Chain {
  public:
    Chain(const ConfigRecord& config, const std::vector<KeyEpochRecord>& epochs, const KeySlotRecord& slot)
        : config_(config), epochs_(epochs), slot_(slot), last_(epoch_number(epochs.size())) {}

    Result<OpenedKeys> open(const SecretKey& secret);

  private:
    static std::uint16_t epoch_number(std::size_t later) {
        return static_cast<std::uint16_t>(first_key_epoch + later);
    }
    const KeyEpochRecord& record(std::uint16_t epoch) const { return epochs_[epoch - first_key_epoch - 1u]; }
    Result<FullSecrets> full_of(std::uint16_t epoch, const SecretKey& master) const;
    Result<WriterSecrets> writer_of(std::uint16_t epoch, const SecretKey& master) const;
    Result<SecretKey> next_master(std::uint16_t epoch, const PublicKey& verify_key, const SecretKey& agreement) const;
    Result<OpenedKeys> open_full(SecretKey master, const SecretKey& agreement) const;
    Result<OpenedKeys> open_writer(SecretKey master, const SecretKey& agreement) const;

    const ConfigRecord& config_;
    const std::vector<KeyEpochRecord>& epochs_;
    const KeySlotRecord& slot_;
    const std::uint16_t last_;
};

Result<FullSecrets> Chain::full_of(std::uint16_t epoch, const SecretKey& master) const {
    if (epoch == first_key_epoch)
        return open_full_bundle(config_.full_bundle, master, config_.associated_data());
    return open_full_bundle(record(epoch).full_bundle, master, record(epoch).associated_data(config_.repository));
}

Result<WriterSecrets> Chain::writer_of(std::uint16_t epoch, const SecretKey& master) const {
    if (epoch == first_key_epoch)
        return open_writer_bundle(config_.writer_bundle, master, config_.associated_data());
    return open_writer_bundle(record(epoch).writer_bundle, master,
                              record(epoch).associated_data(config_.repository));
}

// Of `epoch`, which the one before it must have signed.
Result<SecretKey> Chain::next_master(std::uint16_t epoch,
                                     const PublicKey& verify_key,
                                     const SecretKey& agreement) const {
    const KeyEpochRecord& next = record(epoch);
    if (!is_signed_by(next, verify_key, config_.repository)) return broken_chain(epoch);
    const KeyEpochSlot* const own = next.find(slot_.id);
    if (own == nullptr) return Error(ErrorCode::wrong_key, "the key was revoked");
    return open_slot(next, *own, agreement, config_.repository);
}

Result<OpenedKeys> Chain::open_full(SecretKey master, const SecretKey& agreement) const {
    std::vector<FullSecrets> secrets(last_);
    HF_TRY(secrets[slot_.epoch() - 1u], full_of(slot_.epoch(), master));
    SecretKey earlier = master;
    for (std::uint16_t epoch = slot_.epoch(); epoch > first_key_epoch; --epoch) {
        HF_TRY(earlier, open_previous_master(record(epoch), earlier, config_.repository));
        HF_TRY(secrets[epoch - 2u], full_of(static_cast<std::uint16_t>(epoch - 1), earlier));
        // Its list of slots is what a rotation goes by.
        if (!is_signed_by(record(epoch), *secrets[epoch - 2u].writer.verify_key, config_.repository))
            return broken_chain(epoch);
    }
    for (std::uint16_t epoch = slot_.epoch(); epoch < last_; ++epoch) {
        const auto next = static_cast<std::uint16_t>(epoch + 1);
        HF_TRY(master, next_master(next, *secrets[epoch - 1u].writer.verify_key, agreement));
        HF_TRY(secrets[epoch], full_of(next, master));
    }
    return OpenedKeys{master, std::make_unique<Keyring>(config_.repository, std::move(secrets))};
}

Result<OpenedKeys> Chain::open_writer(SecretKey master, const SecretKey& agreement) const {
    HF_TRY(WriterSecrets secrets, writer_of(slot_.epoch(), master));
    for (std::uint16_t epoch = slot_.epoch(); epoch < last_; ++epoch) {
        const auto next = static_cast<std::uint16_t>(epoch + 1);
        if (!secrets.verify_key) return broken_chain(next);
        HF_TRY(master, next_master(next, *secrets.verify_key, agreement));
        HF_TRY(secrets, writer_of(next, master));
    }
    return OpenedKeys{master, std::make_unique<Keyring>(config_.repository, std::move(secrets), last_)};
}

Result<OpenedKeys> Chain::open(const SecretKey& secret) {
    HF_TRY(const SecretKey master, unlock_key_slot(slot_, secret, config_.repository));
    if (slot_.epoch() > last_)
        return Error(ErrorCode::corrupt, key_epoch_name(slot_.epoch()) + ", which the key is of, is missing");
    const KeySlotSecrets own = key_slot_secrets_of(secret, slot_.id);
    if (slot_.role == KeyRole::full) return open_full(master, own.agreement_key);
    HF_TRY(OpenedKeys keys, open_writer(master, own.agreement_key));
    if (slot_.certificate)
        keys.keyring->set_client({slot_.id, last_, own.signing_key}, slot_.certificate->host);
    return keys;
}

// A slot that is to have the keys of the epoch after the present one.
class SlotSealer {
  public:
    SlotSealer(const std::vector<KeyEpochRecord>& epochs, const Keyring& keyring)
        : present_(epochs.empty() ? nullptr : &epochs.back()), keyring_(keyring) {}

    // Errors: refused when nobody vouches for its public key: a new one would be sealed to who knows whom.
    Result<KeyEpochSlot> seal(const KeySlotRecord& slot,
                              const KeyEpochRecord& next,
                              const SecretKey& master,
                              Random& random) const {
        if (!is_vouched_for(slot))
            return Error(ErrorCode::refused, "nobody vouches for key " + slot.id.hex().substr(0, 12) +
                                                 " (" + slot.label + "): remove it, and add another one");
        KeyEpochSlot sealed;
        sealed.id = slot.id;
        sealed.role = slot.role;
        sealed.seal_key = slot.certificate->seal_key;
        sealed.verify_key = slot.certificate->verify_key;
        HF_TRY_STATUS(seal_to_slot(next, sealed, master, keyring_.repository(), random));
        return sealed;
    }

  private:
    bool is_vouched_for(const KeySlotRecord& slot) const {
        if (!slot.certificate) return false;
        if (slot.epoch() == keyring_.epoch())
            return is_certified(slot, *keyring_.writer().verify_key, keyring_.repository());
        const KeyEpochSlot* const listed = present_ == nullptr ? nullptr : present_->find(slot.id);
        return listed != nullptr && listed->role == slot.role &&
               listed->seal_key == slot.certificate->seal_key &&
               listed->verify_key == slot.certificate->verify_key;
    }

    const KeyEpochRecord* const present_;  // that of the keyring, unless it is the first
    const Keyring& keyring_;
};

}  // namespace

Result<OpenedKeys> open_keys(const ConfigRecord& config,
                             const std::vector<KeyEpochRecord>& epochs,
                             const KeySlotRecord& slot,
                             const SecretKey& secret) {
    return Chain(config, epochs, slot).open(secret);
}

bool is_revoked(const KeySlotRecord& slot, const std::vector<KeyEpochRecord>& epochs) {
    return !epochs.empty() && slot.epoch() < epochs.back().epoch && epochs.back().find(slot.id) == nullptr;
}

Status make_key_epoch(Storage& storage,
                      const ConfigRecord& config,
                      const Keyring& keyring,
                      const SecretKey& master,
                      const std::optional<KeySlotId>& excluded,
                      const Clock& clock,
                      Random& random) {
    if (keyring.role() == KeyRole::writer)
        return Error(ErrorCode::permission_denied, "a write-only key cannot change keys");
    const Error conflict(ErrorCode::conflict, "somebody else has changed the keys: try again");
    HF_TRY(const auto epochs, read_key_epochs(storage));
    if (epochs.size() + first_key_epoch != keyring.epoch()) return conflict;
    if (keyring.epoch() == max_key_epoch) return Error(ErrorCode::refused, "there were too many changes of keys");
    HF_TRY(const auto slots, read_key_slots(storage, Unreadable::fail));

    FullSecrets secrets = keyring.full();
    const SecretKey signing_key = secrets.signing_key();
    renew_epoch_secrets(secrets, random);
    const SecretKey next_master(random.array<32>());
    KeyEpochRecord next;
    next.epoch = static_cast<std::uint16_t>(keyring.epoch() + 1);
    next.created = clock.now();
    const Bytes associated = next.associated_data(config.repository);
    next.full_bundle = seal_full_bundle(secrets, next_master, associated);
    next.writer_bundle = seal_writer_bundle(secrets.writer, secrets.writer_master, associated);
    seal_previous_master(next, master, next_master, config.repository);
    const SlotSealer sealer(epochs, keyring);
    std::size_t readers = 0;
    for (const KeySlotRecord& slot : slots) {
        if (slot.id == excluded || is_revoked(slot, epochs)) continue;
        HF_TRY(KeyEpochSlot sealed,
               sealer.seal(slot, next, slot.role == KeyRole::full ? next_master : secrets.writer_master, random));
        next.slots.push_back(std::move(sealed));
        if (slot.role == KeyRole::full) ++readers;
    }
    if (readers == 0) return Error(ErrorCode::refused, "nobody could read any more");
    std::sort(next.slots.begin(), next.slots.end(),
              [](const KeyEpochSlot& a, const KeyEpochSlot& b) { return a.id < b.id; });
    sign_key_epoch(next, signing_key, config.repository);
    Status written = write_key_epoch(storage, next, config.repository, random);
    if (!written.ok() && written.error().code() == ErrorCode::already_exists) return conflict;
    return written;
}

}  // namespace holdfast
