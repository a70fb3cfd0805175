// The fuzz targets: each gives any bytes to a parser of the project and ends the program (HF_CHECK)
// when what comes out breaks the parser's contract or does not survive encoding and parsing again.
#pragma once

#include "base/bytes.h"
#include "base/check.h"

// For each NAME: fuzz_NAME() in NAME.cc, its seeds in corpus/NAME/.
#define HF_FUZZ_TARGETS(TARGET) \
    TARGET(envelope_header)     \
    TARGET(envelope_tail)       \
    TARGET(object_table)        \
    TARGET(clear_object)        \
    TARGET(chunk_header)        \
    TARGET(decompress)          \
    TARGET(directory_leaf)      \
    TARGET(inner_node)          \
    TARGET(extent_leaf)         \
    TARGET(restore_point)       \
    TARGET(index_fragment)      \
    TARGET(flat_fragment)       \
    TARGET(object_mender)       \
    TARGET(config)              \
    TARGET(key_slot)            \
    TARGET(key_epoch)           \
    TARGET(client)              \
    TARGET(lease)               \
    TARGET(point_name)          \
    TARGET(point_path)          \
    TARGET(recovery_key)        \
    TARGET(sftp_packet)         \
    TARGET(sftp_location)       \
    TARGET(s3_listing)          \
    TARGET(key_path)            \
    TARGET(time)                \
    TARGET(exclude)             \
    TARGET(configuration)       \
    TARGET(calendar)

namespace holdfast {

#define HF_FUZZ_DECLARE(name) void fuzz_##name(ByteSpan input);
HF_FUZZ_TARGETS(HF_FUZZ_DECLARE)
#undef HF_FUZZ_DECLARE

}  // namespace holdfast
