// Making and opening repositories: configuration and key slots.
#include "repository/repository.h"

#include "base/file_io.h"

namespace holdfast {
namespace {

constexpr std::uint64_t max_clear_object_bytes = 1u << 20;

// Config and key slots are kept twice, under two names.
constexpr std::string_view second_copy = ".2";

Status put_twice(Storage& storage, const std::string& name, ByteSpan object) {
    const std::string second = name + std::string(second_copy);
    for (const std::string& one : {second, name}) {
        Status put = storage.put(one, object, Durability::immediate);
        if (put.ok()) continue;
        // Nobody is told of it: half of it would open the repository, or stand in the way of the next try. It
        // may be there although its put has failed.
        if (put.error().code() != ErrorCode::already_exists) (void)storage.remove(one).ok();
        if (one == name) (void)storage.remove(second).ok();
        return put;
    }
    return {};
}

// The first copy that is whole, else the first one that parity can mend. Errors: those of the first copy.
Result<Bytes> read_either(Storage& storage, const std::string& name, ObjectKind kind) {
    const auto read_one = [&](const std::string& one, OnDamage on_damage) -> Result<Bytes> {
        HF_TRY(Bytes object, storage.get(one, max_clear_object_bytes));
        if (on_damage == OnDamage::mend) {
            HF_TRY(object, mended_object(storage, one, object.size(), max_clear_object_bytes));
        }
        auto record = open_clear_object(object, kind);
        if (!record.ok()) return std::move(record).error().with_context("reading " + one);
        return record;
    };
    const std::string second = name + std::string(second_copy);
    const auto first = read_one(name, OnDamage::fail);
    if (first.ok() || first.error().code() == ErrorCode::unsupported) return first;
    for (const OnDamage on_damage : {OnDamage::fail, OnDamage::mend})
        for (const std::string& copy : {name, second})
            if (auto read = read_one(copy, on_damage); read.ok()) return read;
    return first;
}

}  // namespace

Result<ConfigRecord> read_config(Storage& storage) {
    auto record = read_either(storage, "config", ObjectKind::config);
    if (!record.ok()) {
        if (record.error().code() == ErrorCode::not_found)
            return Error(ErrorCode::not_found, "no repository at " + storage.description());
        return std::move(record).error();
    }
    return decode_config(*record);
}

Result<std::vector<KeySlotRecord>> read_key_slots(Storage& storage) {
    std::vector<KeySlotRecord> slots;
    HF_TRY(const auto objects, list_objects(storage, "keys/"));
    std::set<std::string> names;
    for (const ObjectInfo& info : objects) {
        // One copy is enough to open the repository, so it is listed by either.
        const bool is_second = info.name.ends_with(second_copy);
        names.insert(info.name.substr(0, info.name.size() - (is_second ? second_copy.size() : 0)));
    }
    for (const std::string& name : names) {
        // A slot that is damaged in both copies, or of a kind to come, must not shut out the others.
        const auto record = read_either(storage, name, ObjectKind::key_slot);
        if (!record.ok()) continue;
        auto slot = decode_key_slot(*record);
        if (slot.ok()) slots.push_back(std::move(slot).value());
    }
    return slots;
}

Status write_key_slot(Storage& storage,
                      const KeySlotRecord& slot,
                      const RepositoryId& repository,
                      Random& random) {
    Bytes record;
    ByteWriter out(record);
    encode_key_slot(slot, out);
    return put_twice(storage,
                     key_slot_name(slot.id),
                     encode_clear_object(ObjectKind::key_slot, repository, record, random));
}

Result<Repository::NewKeys> Repository::init(Storage& storage,
                                             const Repository* like,
                                             const std::optional<std::string>& passphrase,
                                             const KeepKeys& keep,
                                             const Clock& clock,
                                             Random& random,
                                             bool has_parity) {
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
    secrets.agreement_key = fresh();
    secrets.writer.seal_key = agreement_public_key(secrets.agreement_key);
    secrets.writer_master = fresh();
    secrets.wrapping_key = fresh();
    const SecretKey master = fresh();

    ConfigRecord config;
    config.repository = RepositoryId::random(random);
    config.created = clock.now();
    config.has_parity = has_parity;
    if (like != nullptr) config.chunk_sizes = like->config().chunk_sizes;
    config.full_bundle = seal_full_bundle(secrets, master, config);
    config.writer_bundle =
        seal_writer_bundle(secrets.writer, secrets.writer_master, config);

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
        HF_TRY_STATUS(write_key_slot(storage, slot, config.repository, random));
    }
    HF_TRY_STATUS(keep(keys, config.repository));
    Bytes record;
    ByteWriter out(record);
    encode_config(config, out);
    // The configuration comes last: without it there is no repository yet.
    HF_TRY_STATUS(put_twice(
        storage, "config",
        encode_clear_object(ObjectKind::config, config.repository, record, random)));
    return keys;
}

namespace {

struct Unlocked {
    SecretKey master;
    KeyRole role;
};

Result<Unlocked> unlock_with_secret(Storage& storage,
                                    const SecretKey& secret,
                                    KeySlotType type,
                                    const RepositoryId& repository) {
    const std::string name = key_slot_name(key_slot_id_of(secret, type));
    auto record = read_either(storage, name, ObjectKind::key_slot);
    if (!record.ok()) {
        if (record.error().code() == ErrorCode::not_found)
            return Error(ErrorCode::wrong_key, "the key does not open this repository");
        return std::move(record).error();
    }
    HF_TRY(const KeySlotRecord slot, decode_key_slot(*record));
    HF_TRY(SecretKey master, unlock_key_slot(slot, secret, repository));
    return Unlocked{master, slot.role};
}

Result<Unlocked> unlock_with_passphrase(Storage& storage,
                                        const std::string& passphrase,
                                        const RepositoryId& repository) {
    HF_TRY(const auto slots, read_key_slots(storage));
    for (const KeySlotRecord& slot : slots) {
        if (slot.type != KeySlotType::passphrase) continue;
        HF_TRY(const SecretKey stretched,
               stretch_passphrase(as_bytes(passphrase), slot.salt, slot.cost));
        auto master = unlock_key_slot(slot, stretched, repository);
        if (master.ok()) return Unlocked{*master, slot.role};
    }
    return Error(ErrorCode::wrong_key, "the passphrase does not open this repository");
}

}  // namespace

Result<std::unique_ptr<Repository>> Repository::open(std::unique_ptr<Storage> storage,
                                                     const Unlock& unlock,
                                                     const std::string& cache_directory,
                                                     const Clock& clock,
                                                     Random& random) {
    std::unique_ptr<Repository> repository(new Repository(std::move(storage), clock, random));
    Storage& store = *repository->storage_;
    HF_TRY(repository->config_, read_config(store));
    const RepositoryId& id = repository->config_.repository;
    Unlocked unlocked;
    if (unlock.key_file) {
        HF_TRY(unlocked, unlock_with_secret(store, *unlock.key_file, KeySlotType::key_file, id));
    } else if (unlock.recovery) {
        HF_TRY(unlocked, unlock_with_secret(store, *unlock.recovery, KeySlotType::recovery, id));
    } else if (unlock.passphrase) {
        HF_TRY(unlocked, unlock_with_passphrase(store, *unlock.passphrase, id));
    } else {
        return Error(ErrorCode::wrong_key, "no key was given for " + store.description());
    }
    repository->master_ = unlocked.master;
    if (unlocked.role == KeyRole::full) {
        HF_TRY(FullSecrets secrets,
               open_full_bundle(
                   repository->config_.full_bundle, unlocked.master, repository->config_));
        repository->keyring_.emplace(id, std::move(secrets));
    } else {
        HF_TRY(WriterSecrets secrets,
               open_writer_bundle(
                   repository->config_.writer_bundle, unlocked.master, repository->config_));
        repository->keyring_.emplace(id, std::move(secrets));
    }
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
    repository->members_ = MemberCache::open(members_path);
    return repository;
}

}  // namespace holdfast
