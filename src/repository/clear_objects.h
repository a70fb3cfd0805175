// Objects in clear, which lead to the keys of all others: configuration, key slots, key epochs. Each is kept twice,
// under two names. docs/format.md#objects.
#pragma once

#include "format/config.h"
#include "format/envelope.h"
#include "format/key_epoch.h"
#include "storage/storage.h"

namespace holdfast {

// What an object of this name is, if it is in clear.
std::optional<ObjectKind> clear_kind_of(std::string_view name);
// The name of the other copy.
std::string twin_of(const std::string& name);
// Whether `record` is what an object of this name holds. Errors: corrupt.
Status check_clear_record(const std::string& name, ByteSpan record);

Status write_config(Storage& storage, const ConfigRecord& config, Random& random);
// Errors: not_found when there is no repository, corrupt, unsupported.
Result<ConfigRecord> read_config(Storage& storage);

inline std::string key_slot_name(const KeySlotId& id) { return "keys/" + id.hex(); }
Status write_key_slot(Storage& storage,
                      const KeySlotRecord& slot,
                      const RepositoryId& repository,
                      Random& random);
// Errors: wrong_key when there is none.
Result<KeySlotRecord> read_key_slot(Storage& storage, const KeySlotId& id);
// A slot that is damaged in both copies, or of a kind to come, is passed over, or an error.
enum class Unreadable : std::uint8_t { skip, fail };
Result<std::vector<KeySlotRecord>> read_key_slots(Storage& storage, Unreadable unreadable = Unreadable::skip);
Status remove_key_slot(Storage& storage, const KeySlotId& id);

std::string key_epoch_name(std::uint16_t epoch);
// It is in effect as soon as one copy is there, whatever becomes of the other. Errors: already_exists.
Status write_key_epoch(Storage& storage,
                       const KeyEpochRecord& epoch,
                       const RepositoryId& repository,
                       Random& random);
// The second one and all later ones, in their order. Errors: corrupt, also when one is missing.
Result<std::vector<KeyEpochRecord>> read_key_epochs(Storage& storage);

}  // namespace holdfast
