// Input: the record of a write-only client.
#include "format/client.h"

#include "targets.h"

namespace holdfast {

void fuzz_client(ByteSpan input) {
    const auto client = decode_client(input);
    if (!client.ok()) return;
    HF_CHECK(decode_client(encode_client(*client)).value() == *client);
}

}  // namespace holdfast
