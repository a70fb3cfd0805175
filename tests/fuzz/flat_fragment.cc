// Input: a fragment of the local cache. What the index says of its chunks must be usable.
#include "repository/index.h"
#include "targets.h"

namespace holdfast {

void fuzz_flat_fragment(ByteSpan input) {
    const auto opened = FlatFragment::from_memory(Bytes(input.begin(), input.end()));
    if (!opened.ok()) return;
    const std::shared_ptr<FlatFragment> fragment = *opened;
    Index index;
    index.add(fragment);
    for (std::size_t i = 0; i < fragment->chunk_count(); ++i) {
        const auto found = index.locate(fragment->id(i));
        if (!found.ok()) continue;
        const ChunkLocation& location = found->location;
        HF_CHECK(location.frame_bytes.size() ==
                 frame_count_of(location.raw_bytes, location.frame_log2));
        HF_CHECK(location.raw_bytes <= max_chunk_bytes);
        std::uint64_t stored_bytes = 0;
        for (const std::uint32_t bytes : location.frame_bytes) stored_bytes += bytes;
        HF_CHECK(location.offset <= found->container.object_bytes &&
                 stored_bytes <= found->container.object_bytes - location.offset);
    }
}

}  // namespace holdfast
