// Input: a header. When it parses, the key that it asks for is looked for too.
#include "fuzz_keyring.h"
#include "targets.h"

namespace holdfast {

void fuzz_envelope_header(ByteSpan input) {
    const auto header = decode_header(input);
    if (!header.ok()) return;
    Bytes encoded;
    ByteWriter out(encoded);
    encode_header(*header, out);
    HF_CHECK(encoded.size() == header->encoded_bytes() && encoded.size() <= input.size());
    HF_CHECK(std::equal(encoded.begin(), encoded.end(), input.begin()));
    HF_CHECK(decode_header(encoded).value() == *header);
    EnvelopeHeader ours = *header;
    ours.repository = fuzz_keyring().repository();
    ours.key_epoch = 1;
    if (fuzz_keyring().object_key(ours).ok()) FrameCipher(ours, SecretKey{});
}

}  // namespace holdfast
