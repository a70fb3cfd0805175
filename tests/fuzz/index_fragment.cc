// Input: an index fragment's record. When it parses, its containers' keys and names are used as a
// reader would, and it is laid out flat and searched.
#include "fuzz_keyring.h"
#include "repository/index.h"
#include "repository/repository.h"
#include "targets.h"

namespace holdfast {
namespace {

void check_container(const Container& container) {
    const std::string name = container_name(container);
    if (container.header.kind == ObjectKind::restore_point) {
        const auto parsed = parse_point_name(name);
        HF_CHECK(parsed && parsed->id == container.header.object &&
                 parsed->source == container.source &&
                 parsed->inverted_time == container.inverted_time);
    }
    EnvelopeHeader header = container.header;
    header.repository = fuzz_keyring().repository();
    header.key_epoch = 1;
    if (fuzz_keyring().object_key(header).ok()) FrameCipher(header, SecretKey{});
}

}  // namespace

void fuzz_index_fragment(ByteSpan input) {
    const auto record = decode_index_fragment(input);
    if (!record.ok()) return;
    for (const Container& container : record->containers) check_container(container);
    HF_CHECK(decode_index_fragment(encode_index_fragment(*record)).value() == *record);
    const auto flat = FlatFragment::from_memory(FlatFragment::layout(*record));
    HF_CHECK(flat.ok() && (*flat)->chunk_count() == record->chunks.size());
    std::size_t first = 0;  // of the places of a chunk
    for (std::size_t i = 0; i < record->chunks.size(); ++i) {
        if (record->chunks[i].id != record->chunks[first].id) first = i;
        HF_CHECK((*flat)->find(record->chunks[i].id) == first);
        HF_CHECK((*flat)->location(i) == record->chunks[i]);
    }
}

}  // namespace holdfast
