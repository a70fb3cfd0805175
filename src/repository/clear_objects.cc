#include "repository/clear_objects.h"

#include <set>

#include "repository/object_io.h"

namespace holdfast {
namespace {

constexpr std::uint64_t max_clear_object_bytes = 1u << 20;
constexpr std::string_view second_copy = ".2", epoch_folder = "epochs/";

bool is_second(std::string_view name) { return name.ends_with(second_copy); }

std::string first_of(const std::string& name) { return is_second(name) ? twin_of(name) : name; }

Bytes encoded(ObjectKind kind, ByteSpan record, const RepositoryId& repository, Random& random) {
    return encode_clear_object(kind, repository, record, random);
}

// All or nothing, for what nobody is told of before both are there: half of it would open the repository, or stand in
// the way of the next try.
Status put_both(Storage& storage, const std::string& name, ByteSpan object) {
    const std::string second = twin_of(name);
    for (const std::string& one : {second, name}) {
        Status put = storage.put(one, object, Durability::immediate);
        if (put.ok()) continue;
        // It may be there although its put has failed.
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
    const auto first = read_one(name, OnDamage::fail);
    if (first.ok()) return first;
    const ErrorCode code = first.error().code();
    // A storage that is away would be asked five times, and each time for minutes.
    if (code == ErrorCode::unsupported || code == ErrorCode::unavailable || code == ErrorCode::cancelled) return first;
    for (const OnDamage on_damage : {OnDamage::fail, OnDamage::mend})
        for (const std::string& copy : {name, twin_of(name)})
            if (auto read = read_one(copy, on_damage); read.ok()) return read;
    return first;
}

// One copy is enough, so each is listed by either.
Result<std::set<std::string>> list_either(Storage& storage, const std::string& folder) {
    HF_TRY(const auto objects, list_objects(storage, folder));
    std::set<std::string> names;
    for (const ObjectInfo& info : objects) names.insert(first_of(info.name));
    return names;
}

template <typename Record, typename Decode>
Status check_name(const std::string& name, ByteSpan data, Decode decode, std::string (*name_of)(const Record&)) {
    HF_TRY(const Record record, decode(data));
    if (first_of(name) == name_of(record)) return {};
    return Error(ErrorCode::corrupt, "not the one that its name says");
}

}  // namespace

std::optional<ObjectKind> clear_kind_of(std::string_view name) {
    if (name == "config" || name == "config.2") return ObjectKind::config;
    if (name.starts_with("keys/")) return ObjectKind::key_slot;
    if (name.starts_with(epoch_folder)) return ObjectKind::key_epoch;
    return std::nullopt;
}

std::string twin_of(const std::string& name) {
    return is_second(name) ? name.substr(0, name.size() - second_copy.size()) : name + std::string(second_copy);
}

Status check_clear_record(const std::string& name, ByteSpan record) {
    const auto kind = clear_kind_of(name);
    if (kind == ObjectKind::key_slot)
        return check_name<KeySlotRecord>(name, record, decode_key_slot,
                                         [](const KeySlotRecord& slot) { return key_slot_name(slot.id); });
    if (kind == ObjectKind::key_epoch)
        return check_name<KeyEpochRecord>(name, record, decode_key_epoch,
                                          [](const KeyEpochRecord& one) { return key_epoch_name(one.epoch); });
    HF_TRY(const ConfigRecord config, decode_config(record));
    (void)config;
    return {};
}

Status write_config(Storage& storage, const ConfigRecord& config, Random& random) {
    Bytes record;
    ByteWriter out(record);
    encode_config(config, out);
    return put_both(storage, "config", encoded(ObjectKind::config, record, config.repository, random));
}

Result<ConfigRecord> read_config(Storage& storage) {
    auto record = read_either(storage, "config", ObjectKind::config);
    if (!record.ok()) {
        if (record.error().code() == ErrorCode::not_found)
            return Error(ErrorCode::not_found, "no repository at " + storage.description());
        return std::move(record).error();
    }
    return decode_config(*record);
}

Status write_key_slot(Storage& storage,
                      const KeySlotRecord& slot,
                      const RepositoryId& repository,
                      Random& random) {
    Bytes record;
    ByteWriter out(record);
    encode_key_slot(slot, out);
    return put_both(storage, key_slot_name(slot.id), encoded(ObjectKind::key_slot, record, repository, random));
}

Result<KeySlotRecord> read_key_slot(Storage& storage, const KeySlotId& id) {
    auto record = read_either(storage, key_slot_name(id), ObjectKind::key_slot);
    if (!record.ok()) {
        if (record.error().code() == ErrorCode::not_found)
            return Error(ErrorCode::wrong_key, "the key does not open this repository");
        return std::move(record).error();
    }
    return decode_key_slot(*record);
}

Result<std::vector<KeySlotRecord>> read_key_slots(Storage& storage, Unreadable unreadable) {
    std::vector<KeySlotRecord> slots;
    HF_TRY(const auto names, list_either(storage, "keys/"));
    for (const std::string& name : names) {
        if (!KeySlotId::from_hex(std::string_view(name).substr(name.find('/') + 1))) continue;
        const auto read = [&]() -> Result<KeySlotRecord> {
            HF_TRY(const Bytes record, read_either(storage, name, ObjectKind::key_slot));
            return decode_key_slot(record);
        };
        auto slot = read();
        if (slot.ok()) {
            slots.push_back(std::move(slot).value());
            continue;
        }
        const ErrorCode code = slot.error().code();
        if (code == ErrorCode::not_found) continue;  // removed meanwhile
        const bool is_unreadable = code == ErrorCode::corrupt || code == ErrorCode::unsupported;
        if (!is_unreadable || unreadable == Unreadable::fail)
            return std::move(slot).error().with_context("reading " + name);
    }
    return slots;
}

Status remove_key_slot(Storage& storage, const KeySlotId& id) {
    // The second copy first: what is left after a crash in between is still listed.
    for (const std::string& copy : {twin_of(key_slot_name(id)), key_slot_name(id)}) {
        HF_TRY_STATUS(storage.remove(copy));
        HF_TRY_STATUS(storage.barrier());
    }
    return {};
}

std::string key_epoch_name(std::uint16_t epoch) {
    Bytes number = {static_cast<std::uint8_t>(epoch >> 8), static_cast<std::uint8_t>(epoch)};
    return std::string(epoch_folder) + to_hex(number);
}

Status write_key_epoch(Storage& storage,
                       const KeyEpochRecord& epoch,
                       const RepositoryId& repository,
                       Random& random) {
    Bytes record;
    ByteWriter out(record);
    encode_key_epoch(epoch, out);
    const Bytes object = encoded(ObjectKind::key_epoch, record, repository, random);
    const std::string name = key_epoch_name(epoch.epoch);
    HF_TRY_STATUS(storage.put(name, object, Durability::immediate));
    // Nothing is taken back when this fails: somebody may have written by the new keys already.
    Status second = storage.put(twin_of(name), object, Durability::immediate);
    if (second.ok()) return {};
    return std::move(second).error().with_context("the new keys are in effect, without their second copy");
}

Result<std::vector<KeyEpochRecord>> read_key_epochs(Storage& storage) {
    std::vector<KeyEpochRecord> epochs;
    HF_TRY(const auto names, list_either(storage, std::string(epoch_folder)));
    std::uint16_t expected = first_key_epoch;
    for (const std::string& name : names) {
        if (from_hex(std::string_view(name).substr(epoch_folder.size())).size() != 2) continue;
        ++expected;
        if (name != key_epoch_name(expected))
            return Error(ErrorCode::corrupt, key_epoch_name(expected) + " is missing");
        HF_TRY(const Bytes record, read_either(storage, name, ObjectKind::key_epoch));
        HF_TRY(KeyEpochRecord epoch, decode_key_epoch(record));
        if (epoch.epoch != expected) return Error(ErrorCode::corrupt, name + ": not the one that its name says");
        epochs.push_back(std::move(epoch));
    }
    return epochs;
}

}  // namespace holdfast
