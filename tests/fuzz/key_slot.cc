// Input: the record of a key slot.
#include "format/key_slot.h"

#include "targets.h"

namespace holdfast {

void fuzz_key_slot(ByteSpan input) {
    const auto slot = decode_key_slot(input);
    if (!slot.ok()) return;
    Bytes encoded, again;
    ByteWriter out(encoded), out_again(again);
    encode_key_slot(*slot, out);
    encode_key_slot(decode_key_slot(encoded).value(), out_again);
    HF_CHECK(encoded == again);
    HF_CHECK(!unlock_key_slot(*slot, SecretKey{}, RepositoryId{}).ok());
}

}  // namespace holdfast
