// Input: a whole object in clear, as any storage could hand it out; its checksums are put right.
#include "format/config.h"
#include "format/key_slot.h"
#include "repository/object_io.h"
#include "targets.h"
#include "trailer_repair.h"

namespace holdfast {
namespace {

class Zeros final : public Random {
  public:
    void fill(MutableByteSpan out) override { std::fill(out.begin(), out.end(), std::uint8_t{0}); }
};

void check_object(ByteSpan object) {
    for (const ObjectKind kind : {ObjectKind::config, ObjectKind::key_slot}) {
        const auto record = open_clear_object(object, kind);
        if (!record.ok()) continue;
        Zeros zeros;
        const Bytes again = encode_clear_object(kind, RepositoryId{}, *record, zeros);
        HF_CHECK(open_clear_object(again, kind).value() == *record);
    }
    HF_CHECK(!open_clear_object(object, ObjectKind::data_pack).ok() ||
             decode_header(object).value().kind == ObjectKind::data_pack);
}

}  // namespace

void fuzz_clear_object(ByteSpan input) {
    check_object(input);
    if (input.size() < EnvelopeTrailer::fixed_bytes) return;
    Bytes object(input.begin(), input.end());
    repair_body_hash(object);
    repair_tail_check(object);
    check_object(object);
}

}  // namespace holdfast
