// Look-ups in a flat fragment of a million chunks, as many as 64 GiB of large files have.
#include <benchmark/benchmark.h>

#include <algorithm>

#include "generator.h"
#include "repository/index.h"

namespace holdfast {
namespace {

constexpr std::size_t chunk_count = 1'000'000;

IndexFragmentRecord make_record() {
    Generator generator(5);
    IndexFragmentRecord record;
    record.containers.resize(1);
    Container& pack = record.containers[0];
    pack.header.kind = ObjectKind::data_pack;
    pack.header.key_mode = KeyMode::symmetric;
    pack.header.key_block.resize(32);
    pack.object_bytes = 1u << 27;
    record.chunks.resize(chunk_count);
    for (ChunkLocation& chunk : record.chunks) {
        chunk.id = generator.id<ChunkId>();
        chunk.offset = generator.next() % (1u << 26);
        chunk.raw_bytes = 1 << 16;
        chunk.frame_bytes = {1 << 15};
    }
    std::sort(record.chunks.begin(), record.chunks.end(), [](const auto& a, const auto& b) {
        return a.id < b.id;
    });
    return record;
}

const IndexFragmentRecord& record() {
    static const IndexFragmentRecord made = make_record();
    return made;
}

const FlatFragment& fragment() {
    static const auto made = [] {
        auto opened = FlatFragment::from_memory(FlatFragment::layout(record()));
        HF_CHECK(opened.ok());
        return std::move(opened).value();
    }();
    return *made;
}

// In an order that has nothing to do with that of the ids, as chunks come from a backup.
std::vector<ChunkId> ids_to_find(bool are_present) {
    Generator generator(6);
    std::vector<ChunkId> ids(1 << 16);
    for (ChunkId& id : ids)
        id = are_present ? record().chunks[generator.next() % chunk_count].id
                         : generator.id<ChunkId>();
    return ids;
}

void bm_find(benchmark::State& state) {
    const std::vector<ChunkId> ids = ids_to_find(state.range(0) != 0);
    const FlatFragment& flat = fragment();
    std::size_t next = 0;
    for (auto _ : state) benchmark::DoNotOptimize(flat.find(ids[next++ % ids.size()]));
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(bm_find)->ArgName("present")->Arg(1)->Arg(0);

void bm_location(benchmark::State& state) {
    const FlatFragment& flat = fragment();
    Generator generator(7);
    for (auto _ : state) benchmark::DoNotOptimize(flat.location(generator.next() % chunk_count));
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(bm_location);

// As between two folds: small fragments that no directory has, and one that names a container in order, if `ordered`.
struct SmallFragments {
    Index index;
    std::vector<ChunkId> ids;

    explicit SmallFragments(bool ordered) {
        constexpr std::size_t fragments = 200, fragment_chunks = 500;
        Generator generator(8);
        for (std::size_t i = 0; i < fragments; ++i) {
            IndexFragmentRecord record;
            record.containers.resize(1);
            Container& pack = record.containers[0];
            pack.header.kind = ObjectKind::data_pack;
            pack.header.key_mode = KeyMode::symmetric;
            pack.header.key_block.resize(32);
            pack.header.object = generator.id<ObjectId>();
            if (ordered && i == 0) pack.header.optional_features = EnvelopeHeader::in_order_feature;
            pack.object_bytes = 1u << 27;
            record.chunks.resize(fragment_chunks);
            for (ChunkLocation& chunk : record.chunks) {
                chunk.id = generator.id<ChunkId>();
                chunk.raw_bytes = 1 << 16;
                chunk.frame_bytes = {1 << 15};
                ids.push_back(chunk.id);
            }
            sort_chunks(record.chunks);
            auto flat = FlatFragment::from_memory(FlatFragment::layout(record));
            HF_CHECK(flat.ok());
            index.add(std::move(flat).value());
        }
    }
    // Of any fragment, in an order that has nothing to do with theirs.
    const ChunkId& id(std::size_t number) const { return ids[number * 7919 % ids.size()]; }
};

void bm_contains(benchmark::State& state) {
    const SmallFragments made(state.range(0) != 0);
    std::size_t next = 0;
    for (auto _ : state) benchmark::DoNotOptimize(made.index.contains(made.id(next++)));
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(bm_contains)->ArgName("ordered")->Arg(0)->Arg(1);

void bm_position(benchmark::State& state) {
    const SmallFragments made(state.range(0) != 0);
    std::size_t next = 0;
    for (auto _ : state) benchmark::DoNotOptimize(made.index.position_of(made.id(next++)));
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(bm_position)->ArgName("ordered")->Arg(0)->Arg(1);

void bm_layout(benchmark::State& state) {
    for (auto _ : state) benchmark::DoNotOptimize(FlatFragment::layout(record()));
    state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(chunk_count));
}
BENCHMARK(bm_layout)->Unit(benchmark::kMillisecond);

void bm_encode(benchmark::State& state) {
    for (auto _ : state) benchmark::DoNotOptimize(encode_index_fragment(record()));
    state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(chunk_count));
}
BENCHMARK(bm_encode)->Unit(benchmark::kMillisecond);

void bm_decode(benchmark::State& state) {
    const Bytes encoded = encode_index_fragment(record());
    for (auto _ : state) {
        const auto decoded = decode_index_fragment(encoded);
        if (!decoded.ok()) state.SkipWithError("an encoded fragment did not decode");
    }
    state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(chunk_count));
}
BENCHMARK(bm_decode)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace holdfast

BENCHMARK_MAIN();
