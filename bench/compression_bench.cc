// Speed of compression and decompression of one frame; `ratio` is raw bytes for each stored byte.
#include <benchmark/benchmark.h>

#include "generator.h"
#include "repository/compression.h"

namespace holdfast {
namespace {

enum Content : std::int64_t { text, random_bytes };

Bytes content_of(const benchmark::State& state) {
    const auto bytes = static_cast<std::size_t>(state.range(2));
    return state.range(1) == text ? text_data(bytes) : random_data(bytes);
}

void finish(benchmark::State& state, std::size_t stored_bytes) {
    state.SetLabel(state.range(1) == text ? "text" : "random");
    state.SetBytesProcessed(state.iterations() * state.range(2));
    state.counters["ratio"] =
        static_cast<double>(state.range(2)) / static_cast<double>(stored_bytes);
}

void bm_compress(benchmark::State& state) {
    const Bytes raw = content_of(state);
    Compressor compressor(static_cast<CompressionLevel>(state.range(0)));
    Bytes stored;
    for (auto _ : state) {
        stored.clear();
        compressor.append(raw, stored);
        benchmark::DoNotOptimize(stored.data());
    }
    finish(state, stored.size());
}

void bm_decompress(benchmark::State& state) {
    const Bytes raw = content_of(state);
    Bytes stored, out(raw.size());
    Compressor(static_cast<CompressionLevel>(state.range(0))).append(raw, stored);
    for (auto _ : state) {
        const Status status = decompress(stored, out);
        if (!status.ok()) state.SkipWithError("compressed data did not decompress");
    }
    finish(state, stored.size());
}

const std::vector<std::string> names = {"level", "content", "bytes"};
const std::vector<std::int64_t> contents = {text, random_bytes}, sizes = {64 << 10, 1 << 20};
BENCHMARK(bm_compress)->ArgNames(names)->ArgsProduct({{1, 3, 9}, contents, sizes});
BENCHMARK(bm_decompress)->ArgNames(names)->ArgsProduct({{3}, contents, sizes});

}  // namespace
}  // namespace holdfast

BENCHMARK_MAIN();
