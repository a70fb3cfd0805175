// Making and opening repositories: configuration and key slots.
#include "repository/repository.h"

#include <algorithm>

#include "base/file_io.h"
#include "repository/key_epochs.h"
#include "repository/locks.h"
#include "storage/at_once.h"

namespace holdfast {
Result<Repository::NewKeys> Repository::init(Storage& storage,
                                             const Repository* like,
                                             const std::optional<std::string>& passphrase,
                                             const KeepKeys& keep,
                                             const Clock& clock,
                                             Random& random,
                                             const RepositoryForm& form) {
    const auto existing = storage.head("config");
    if (existing.ok())
        return Error(ErrorCode::already_exists,
                     "there is a repository already at " + storage.description());
    if (existing.error().code() != ErrorCode::not_found) return existing.error();

    const auto fresh = [&random] { return SecretKey(random.array<32>()); };
    FullSecrets secrets;
    secrets.writer.hash_key = fresh();
    secrets.writer.chunker_key = fresh();
    secrets.writer.name_key = fresh();
    if (like != nullptr) {
        secrets.writer.hash_key = like->keyring().writer().hash_key;
        secrets.writer.chunker_key = like->keyring().writer().chunker_key;
    }
    renew_epoch_secrets(secrets, random);
    const SecretKey master = fresh();

    ConfigRecord config;
    config.repository = RepositoryId::random(random);
    config.created = clock.now();
    config.has_parity = form.has_parity;
    config.lock = form.lock;
    if (form.lock.mode != LockRules::Mode::none) HF_TRY_STATUS(lock_what_is_stored(storage, form.lock));
    if (like != nullptr) config.chunk_sizes = like->config().chunk_sizes;
    const Bytes associated = config.associated_data();
    config.full_bundle = seal_full_bundle(secrets, master, associated);
    config.writer_bundle = seal_writer_bundle(secrets.writer, secrets.writer_master, associated);

    NewKeys keys{fresh(), fresh()};
    std::vector<std::pair<KeySlotRecord, SecretKey>> slots;
    if (passphrase) {
        KeySlotRecord slot;
        slot.id = KeySlotId::random(random);
        slot.type = KeySlotType::passphrase;
        slot.salt = random.array<16>();
        HF_TRY(const SecretKey stretched,
               stretch_passphrase(as_bytes(*passphrase), slot.salt, slot.cost));
        slots.emplace_back(slot, stretched);
    } else {
        KeySlotRecord slot;
        slot.id = key_slot_id_of(keys.key_file, KeySlotType::key_file);
        slots.emplace_back(slot, keys.key_file);
    }
    KeySlotRecord recovery;
    recovery.id = key_slot_id_of(keys.recovery, KeySlotType::recovery);
    recovery.type = KeySlotType::recovery;
    slots.emplace_back(recovery, keys.recovery);
    for (auto& [slot, secret] : slots) {
        slot.created = clock.now();
        lock_key_slot(slot, secret, master, config.repository);
        certify_key_slot(slot, secret, first_key_epoch, secrets.signing_key(), config.repository);
        HF_TRY_STATUS(write_key_slot(storage, slot, config.repository, random));
    }
    HF_TRY_STATUS(keep(keys, config.repository));
    // The configuration comes last: without it there is no repository yet.
    HF_TRY_STATUS(write_config(storage, config, random));
    return keys;
}

namespace {

Result<OpenedKeys> open_with_passphrase(Storage& storage,
                                        const ConfigRecord& config,
                                        const std::vector<KeyEpochRecord>& epochs,
                                        const std::string& passphrase) {
    HF_TRY(const auto slots, read_key_slots(storage));
    std::optional<Error> error;
    for (const KeySlotRecord& slot : slots) {
        if (slot.type != KeySlotType::passphrase) continue;
        HF_TRY(const SecretKey stretched,
               stretch_passphrase(as_bytes(passphrase), slot.salt, slot.cost));
        if (!unlock_key_slot(slot, stretched, config.repository).ok()) continue;
        auto keys = open_keys(config, epochs, slot, stretched);
        if (keys.ok()) return keys;
        error = keys.error();
    }
    if (error) return *error;
    return Error(ErrorCode::wrong_key, "the passphrase does not open this repository");
}

// A secret that is a slot's as it is.
const SecretKey* secret_of(const Unlock& unlock) {
    if (unlock.key_file) return &*unlock.key_file;
    return unlock.recovery ? &*unlock.recovery : nullptr;
}

// Its slot.
Result<KeySlotRecord> read_own_slot(Storage& storage, const Unlock& unlock) {
    const SecretKey* const secret = secret_of(unlock);
    if (secret == nullptr) return Error(ErrorCode::wrong_key, "no slot is known by its secret");
    const KeySlotType type = unlock.key_file ? KeySlotType::key_file : KeySlotType::recovery;
    return read_key_slot(storage, key_slot_id_of(*secret, type));
}

// `own_slot`: of read_own_slot().
Result<OpenedKeys> open_with(Storage& storage,
                             const ConfigRecord& config,
                             const std::vector<KeyEpochRecord>& epochs,
                             const Unlock& unlock,
                             std::future<Result<KeySlotRecord>>& own_slot) {
    if (const SecretKey* const secret = secret_of(unlock)) {
        HF_TRY(const KeySlotRecord slot, own_slot.get());
        return open_keys(config, epochs, slot, *secret);
    }
    if (unlock.passphrase) return open_with_passphrase(storage, config, epochs, *unlock.passphrase);
    return Error(ErrorCode::wrong_key, "no key was given for " + storage.description());
}

// The last epoch as one line, for the local cache.
std::string line_of(const KeyEpochRecord& epoch) {
    return key_epoch_name(epoch.epoch) + ' ' + to_hex(epoch.signature) + '\n';
}

// What is written by an epoch's keys must not survive a crash that the epoch does not: whoever made it may have been
// killed in the middle.
Status make_durable(Storage& storage, const KeyEpochRecord& epoch) {
    for (const std::string& copy : {key_epoch_name(epoch.epoch), twin_of(key_epoch_name(epoch.epoch))}) {
        const Status adopted = storage.adopt(copy);
        if (!adopted.ok() && adopted.error().code() != ErrorCode::not_found) return adopted;
    }
    return storage.barrier();
}

// Whoever can delete in the storage could take the last epoch away, and what is written then would be protected by
// keys that somebody has who was to lose them. So the last one is remembered in the local cache, if there is one.
// Errors: corrupt.
Status agree_on_last_epoch(Storage& storage,
                           const std::string& cache_directory,
                           const std::vector<KeyEpochRecord>& epochs) {
    const std::string path = cache_directory + "/epoch";
    const auto remembered = cache_directory.empty() ? Result<Bytes>(Error(ErrorCode::not_found, "no cache"))
                                                    : read_file(path, 1024);
    const std::string text = remembered.ok() ? std::string(as_text(*remembered)) : std::string();
    if (remembered.ok() && std::none_of(epochs.begin(), epochs.end(),
                                        [&](const KeyEpochRecord& epoch) { return line_of(epoch) == text; }))
        return Error(ErrorCode::corrupt, "the storage shows an older state, or another one: " +
                                             text.substr(0, text.find(' ')) + ", which was there, is missing");
    if (epochs.empty() || text == line_of(epochs.back())) return {};
    HF_TRY_STATUS(make_durable(storage, epochs.back()));
    // A cache that cannot be written remembers nothing.
    if (!cache_directory.empty()) (void)replace_file(path, as_bytes(line_of(epochs.back())), 0600).ok();
    return {};
}

}  // namespace

Result<std::unique_ptr<Repository>> Repository::open(std::unique_ptr<Storage> storage,
                                                     const Unlock& unlock,
                                                     const std::string& cache_directory,
                                                     const Clock& clock,
                                                     Random& random,
                                                     OpenFor purpose) {
    std::unique_ptr<Repository> repository(new Repository(std::move(storage), clock, random));
    Storage& store = *repository->storage_;
    repository->purpose_ = purpose;
    // None of them needs another one: far away all are asked for at once.
    if (purpose == OpenFor::reading_a_point)
        for (const char* folder : {"marks/", "points/"}) repository->ahead_.begin(store, folder);
    auto own_slot = ask_at_once(store, [&] { return read_own_slot(store, unlock); });
    auto stored_epochs = ask_at_once(store, [&] { return read_key_epochs(store); });
    HF_TRY(repository->config_, read_config(store));
    const RepositoryId& id = repository->config_.repository;
    HF_TRY(const auto epochs, stored_epochs.get());
    HF_TRY(OpenedKeys keys, open_with(store, repository->config_, epochs, unlock, own_slot));
    repository->master_ = keys.master;
    repository->keyring_ = std::move(keys.keyring);
    repository->clients_ = std::make_unique<Clients>(store, *repository->keyring_);
    repository->keyring_->set_parity(repository->config_.has_parity);
    std::string members_path;
    if (!cache_directory.empty()) {
        // A cache that cannot be made is no cache; nothing depends on it.
        const std::string directory = cache_directory + '/' + id.hex();
        if (make_directories(directory + "/index", 0700).ok()) {
            repository->cache_directory_ = directory;
            members_path = directory + "/members";
        }
    }
    if (const auto slot = repository->keyring_->client(); slot && !repository->cache_directory_.empty()) {
        repository->own_ = ClientState::open(repository->cache_directory_ + "/client-" + slot->hex());
        repository->keyring_->set_client_state(repository->own_);
    }
    // Who only reads needs none: whoever stores finds out when a restore point is to be protected.
    if (repository->config_.lock.mode != LockRules::Mode::none && store.retention() != nullptr)
        HF_TRY_STATUS(lock_what_is_stored(store, repository->config_.lock));
    if (store.traits().is_remote)
        repository->cache_ = std::make_unique<CachedStorage>(store, repository->cache_directory_);
    HF_TRY_STATUS(agree_on_last_epoch(store, repository->cache_directory_, epochs));
    repository->members_ = MemberCache::open(members_path);
    return repository;
}

void Repository::read_past_cache() {
    const std::lock_guard lock(index_mutex_);
    if (cache_ == nullptr) return;
    cache_.reset();
    if (index_loaded_) make_chunk_reader();
}

}  // namespace holdfast
