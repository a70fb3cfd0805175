// Input: a stored object, as it is and with the checksums of its tail and its summaries put right: whatever parity
// it claims to have, mending ends, within the object, and what is mended is what the trailer says.
#include "repository/object_mender.h"

#include "storage/memory/memory_storage.h"
#include "targets.h"
#include "trailer_repair.h"

namespace holdfast {
namespace {

void mend(const Bytes& object) {
    MemoryStorage storage;
    HF_CHECK(storage.put("object", object, Durability::none).ok());
    const auto mender = ObjectMender::open(storage, "object", object.size());
    if (!mender.ok()) return;
    Hasher hasher;
    std::uint64_t bytes = 0;
    const std::uint64_t body_bytes = (*mender)->trailer().body_bytes;
    const Status written = (*mender)->write([&](ByteSpan piece) -> Status {
        if (bytes < body_bytes) hasher.update(piece);
        bytes += piece.size();
        return {};
    });
    if (!written.ok()) return;
    HF_CHECK(bytes == (*mender)->trailer().object_bytes());
    HF_CHECK(hasher.finish() == (*mender)->trailer().body_hash);
}

// The check of the checksums that begin at `start`, if they are within the object.
void repair_summary(Bytes& object, std::uint64_t start, std::uint64_t bytes) {
    if (start > object.size() || bytes > object.size() - start || bytes < 8) return;
    const MutableByteSpan summary = MutableByteSpan(object).subspan(
        static_cast<std::size_t>(start), static_cast<std::size_t>(bytes));
    const Digest check = plain_hash(summary.first(summary.size() - 8));
    std::copy_n(check.bytes.begin(), 8, summary.end() - 8);
}

}  // namespace

void fuzz_object_mender(ByteSpan input) {
    Bytes object(input.begin(), input.end());
    mend(object);
    if (object.size() < EnvelopeTrailer::fixed_bytes) return;
    repair_header_bytes(object);
    repair_tail_check(object);
    const auto trailer = decode_tail(object);
    if (trailer.ok() && trailer->parity.is_valid_for(trailer->body_bytes)) {
        const std::uint64_t bytes = trailer->parity.summary_bytes(trailer->body_bytes);
        repair_summary(object, trailer->body_bytes, bytes);
        repair_summary(object, trailer->body_bytes + trailer->extra_bytes - bytes, bytes);
    }
    mend(object);
}

}  // namespace holdfast
