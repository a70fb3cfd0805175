// Speed of keyed BLAKE3: of one piece, and of equal pages that are hashed side by side.
#include <benchmark/benchmark.h>

#include "crypto/digest.h"
#include "generator.h"

namespace holdfast {
namespace {

void bm_keyed_hash(benchmark::State& state) {
    const Bytes data = random_data(static_cast<std::size_t>(state.range(0)));
    const SecretKey key;
    for (auto _ : state) benchmark::DoNotOptimize(keyed_hash(key, data));
    state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(bm_keyed_hash)->ArgName("bytes")->Arg(4 << 10)->Arg(64 << 10)->Arg(1 << 20);

// A chunk of 1 MiB, as pages.
void bm_keyed_hash_pages(benchmark::State& state) {
    const Bytes data = random_data(1 << 20);
    const SecretKey key;
    const auto page_bytes = static_cast<std::size_t>(state.range(0));
    std::vector<Digest> digests(data.size() / page_bytes);
    for (auto _ : state) {
        keyed_hash_pages(key, data, page_bytes, digests);
        benchmark::DoNotOptimize(digests.data());
    }
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(data.size()));
}
BENCHMARK(bm_keyed_hash_pages)->ArgName("page_bytes")->Arg(4 << 10)->Arg(16 << 10)->Arg(64 << 10);

}  // namespace
}  // namespace holdfast

BENCHMARK_MAIN();
