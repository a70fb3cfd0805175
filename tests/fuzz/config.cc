// Input: the record of the object `config`.
#include "format/config.h"

#include "format/key_bundles.h"
#include "targets.h"

namespace holdfast {

void fuzz_config(ByteSpan input) {
    const auto config = decode_config(input);
    if (!config.ok()) return;
    HF_CHECK(config->chunk_sizes.min_bytes < config->chunk_sizes.avg_bytes &&
             config->chunk_sizes.avg_bytes < config->chunk_sizes.max_bytes);
    Bytes encoded, again;
    ByteWriter out(encoded), out_again(again);
    encode_config(*config, out);
    encode_config(decode_config(encoded).value(), out_again);
    HF_CHECK(encoded == again);
    const SecretKey key;
    HF_CHECK(!open_full_bundle(config->full_bundle, key, config->associated_data()).ok());
    HF_CHECK(!open_writer_bundle(config->writer_bundle, key, config->associated_data()).ok());
}

}  // namespace holdfast
