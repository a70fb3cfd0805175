// Input: the record of a key epoch.
#include "format/key_epoch.h"

#include "targets.h"

namespace holdfast {

void fuzz_key_epoch(ByteSpan input) {
    const auto epoch = decode_key_epoch(input);
    if (!epoch.ok()) return;
    Bytes encoded, again;
    ByteWriter out(encoded), out_again(again);
    encode_key_epoch(*epoch, out);
    encode_key_epoch(decode_key_epoch(encoded).value(), out_again);
    HF_CHECK(encoded == again);
    HF_CHECK(!open_previous_master(*epoch, SecretKey{}, RepositoryId{}).ok());
    for (const KeyEpochSlot& slot : epoch->slots)
        HF_CHECK(!open_slot(*epoch, slot, SecretKey{}, RepositoryId{}).ok());
    HF_CHECK(!is_signed_by(*epoch, signing_public_key(SecretKey{}), RepositoryId{}));
}

}  // namespace holdfast
