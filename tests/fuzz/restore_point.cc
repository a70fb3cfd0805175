// Input: the root record of a restore point.
#include "format/restore_point.h"

#include "targets.h"

namespace holdfast {

void fuzz_restore_point(ByteSpan input) {
    const auto record = decode_restore_point(input);
    if (!record.ok()) return;
    HF_CHECK(backup_type_from_name(backup_type_name(record->type)) == record->type);
    HF_CHECK(decode_restore_point(encode_restore_point(*record)).value() == *record);
}

}  // namespace holdfast
