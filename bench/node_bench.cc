// Encoding and decoding of a directory leaf: small files whose contents lie in shared chunks.
#include <benchmark/benchmark.h>

#include "format/node.h"
#include "generator.h"

namespace holdfast {
namespace {

std::vector<Entry> make_entries(std::size_t count) {
    Generator generator(8);
    std::vector<Entry> entries(count);
    ChunkId chunk;
    std::uint32_t offset = 0;
    for (std::size_t i = 0; i < count; ++i) {
        if (i % 100 == 0) {
            chunk = generator.id<ChunkId>();
            offset = 0;
        }
        Entry& entry = entries[i];
        std::string number = std::to_string(i);
        entry.name = "source_file_" + std::string(7 - number.size(), '0') + number + ".c";
        entry.metadata.mode = 0644;
        entry.metadata.mtime = 1'700'000'000'000'000'000 + static_cast<TimeNs>(i);
        entry.metadata.ctime = entry.metadata.mtime;
        entry.metadata.inode = 1'000'000 + i;
        entry.metadata.size = 1000 + generator.next() % 30000;
        Run run;
        run.chunk = chunk;
        run.chunk_offset = offset;
        run.bytes = entry.metadata.size;
        offset += static_cast<std::uint32_t>(entry.metadata.size);
        entry.content = RunContent{{run}};
    }
    return entries;
}

Bytes encode(const std::vector<Entry>& entries) {
    DirectoryLeafWriter writer;
    for (const Entry& entry : entries) writer.add(entry);
    return writer.finish();
}

void bm_encode_leaf(benchmark::State& state) {
    const std::vector<Entry> entries = make_entries(static_cast<std::size_t>(state.range(0)));
    for (auto _ : state) benchmark::DoNotOptimize(encode(entries));
    state.SetItemsProcessed(state.iterations() * state.range(0));
    state.counters["bytes_each"] =
        static_cast<double>(encode(entries).size()) / static_cast<double>(entries.size());
}
BENCHMARK(bm_encode_leaf)->ArgName("entries")->Arg(20)->Arg(1000);

void bm_decode_leaf(benchmark::State& state) {
    const Bytes node = encode(make_entries(static_cast<std::size_t>(state.range(0))));
    for (auto _ : state) {
        const auto decoded = decode_directory_leaf(node);
        if (!decoded.ok()) state.SkipWithError("an encoded leaf did not decode");
    }
    state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(bm_decode_leaf)->ArgName("entries")->Arg(20)->Arg(1000);

}  // namespace
}  // namespace holdfast

BENCHMARK_MAIN();
