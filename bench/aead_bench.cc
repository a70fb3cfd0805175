// Speed of sealing and opening frames, by both algorithms.
#include <benchmark/benchmark.h>

#include "crypto/aead.h"
#include "generator.h"

namespace holdfast {
namespace {

AeadAlgorithm algorithm_of(const benchmark::State& state) {
    return static_cast<AeadAlgorithm>(state.range(0));
}

void label(benchmark::State& state) {
    const bool is_aes = algorithm_of(state) == AeadAlgorithm::aes_256_gcm;
    state.SetLabel(is_aes ? "AES-256-GCM" : "ChaCha20-Poly1305");
    state.SetBytesProcessed(state.iterations() * state.range(1));
}

void bm_seal(benchmark::State& state) {
    const Bytes plain = random_data(static_cast<std::size_t>(state.range(1)));
    Bytes sealed(plain.size() + aead_tag_bytes);
    Aead aead(algorithm_of(state), SecretKey{});
    std::uint64_t counter = 0;
    for (auto _ : state) {
        aead.seal(counter++, {}, plain, sealed);
        benchmark::DoNotOptimize(sealed.data());
    }
    label(state);
}

void bm_open(benchmark::State& state) {
    const Bytes plain = random_data(static_cast<std::size_t>(state.range(1)));
    Bytes sealed(plain.size() + aead_tag_bytes), opened(plain.size());
    Aead aead(algorithm_of(state), SecretKey{});
    aead.seal(0, {}, plain, sealed);
    for (auto _ : state) {
        const Status status = aead.open(0, {}, sealed, opened);
        if (!status.ok()) state.SkipWithError("a sealed frame did not open");
    }
    label(state);
}

// The algorithm's number, and the bytes of a frame.
const std::vector<std::vector<std::int64_t>> cases = {{1, 2}, {4 << 10, 64 << 10, 1 << 20}};
BENCHMARK(bm_seal)->ArgNames({"algorithm", "bytes"})->ArgsProduct(cases);
BENCHMARK(bm_open)->ArgNames({"algorithm", "bytes"})->ArgsProduct(cases);

}  // namespace
}  // namespace holdfast

BENCHMARK_MAIN();
