// Input: a lease, a fence, a tombstone, a mark or an attestation.
#include "format/lease.h"

#include "format/attestation.h"
#include "targets.h"

namespace holdfast {

void fuzz_lease(ByteSpan input) {
    const auto lease = decode_lease(input);
    if (lease.ok()) HF_CHECK(decode_lease(encode_lease(*lease)).value() == *lease);
    const auto fence = decode_fence(input);
    if (fence.ok()) HF_CHECK(decode_fence(encode_fence(*fence)).value() == *fence);
    const auto tombstone = decode_tombstone(input);
    if (tombstone.ok())
        HF_CHECK(decode_tombstone(encode_tombstone(*tombstone)).value() == *tombstone);
    const auto mark = decode_mark(input);
    if (mark.ok()) HF_CHECK(decode_mark(encode_mark(*mark)).value() == *mark);
    const auto attestation = decode_attestation(input);
    if (attestation.ok()) HF_CHECK(decode_attestation(encode_attestation(*attestation)).value() == *attestation);
}

}  // namespace holdfast
