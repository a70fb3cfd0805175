// Speed of chunking, in bytes of content a second; what the minimum length skips counts as done.
// Each corpus runs by the portable and by the best code of this processor: compare them within one
// run only.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "generator.h"
#include "repository/chunker.h"

namespace holdfast {
namespace {

constexpr std::size_t corpus_bytes = 64 * 1024 * 1024;

// The pairs of bytes that lead from a candidate with hash h to a candidate again.
using BytePair = std::pair<std::uint8_t, std::uint8_t>;
std::vector<BytePair> pairs_after(std::uint32_t hash) {
    std::vector<BytePair> pairs;
    for (unsigned a = 0; a < 256; ++a) {
        for (unsigned b = 0; b < 256; ++b) {
            const BytePair pair(a, b);
            const std::uint32_t next =
                4 * hash + 2u * gear16::mix16(pair.first) + gear16::mix16(pair.second);
            if ((next & 0xFFFF) < gear16::candidate_limit) pairs.push_back(pair);
        }
    }
    return pairs;
}

// A candidate at every second byte. `choices` bounds the pairs that may follow each hash: 1 makes
// the data periodic, more make all windows different.
Bytes crafted_data(std::size_t choices) {
    std::vector<std::vector<BytePair>> after;
    for (std::uint32_t hash = 0; hash < gear16::candidate_limit; ++hash)
        after.push_back(pairs_after(hash));
    Generator generator(3);
    Bytes data;
    std::uint32_t hash = 0;
    while (data.size() < corpus_bytes) {
        const auto& pairs = after[hash & (gear16::candidate_limit - 1)];
        const auto [a, b] = pairs[generator.next() % std::min(choices, pairs.size())];
        data.push_back(a);
        data.push_back(b);
        hash = (4 * hash + 2u * gear16::mix16(a) + gear16::mix16(b)) & 0xFFFF;
    }
    return data;
}

// Two byte patterns that are candidates over and over, in runs of 64 to 127 bytes.
Bytes runs_data() {
    std::vector<BytePair> patterns;
    for (std::uint32_t pair = 0; pair < 0x10000; ++pair) {
        const BytePair pattern(pair >> 8, pair & 0xFF);
        std::uint32_t hash = 0;
        for (unsigned k = 0; k < gear16::window_bytes; k += 2)
            hash = 4 * hash + 2u * gear16::mix16(pattern.first) + gear16::mix16(pattern.second);
        if ((hash & 0xFFFF) < gear16::candidate_limit) patterns.push_back(pattern);
    }
    Generator generator(4);
    Bytes data;
    for (unsigned run = 0; data.size() < corpus_bytes; ++run) {
        const auto [a, b] = patterns[run % 2];
        for (std::uint64_t left = 32 + generator.next() % 32; left != 0; --left) {
            data.push_back(a);
            data.push_back(b);
        }
    }
    data.resize(corpus_bytes);
    return data;
}

struct Corpus {
    const char* name;
    Bytes (*make)();
};

using NextCut = std::size_t (Chunker::*)(ByteSpan) const;

void chunk(benchmark::State& state, const Bytes& data, std::uint32_t avg_bytes, NextCut next_cut) {
    const Chunker chunker({avg_bytes / 4, avg_bytes, avg_bytes * 4}, SecretKey{});
    std::uint64_t chunks = 0, bytes = 0;
    for (auto _ : state) {
        for (ByteSpan left = data; !left.empty(); ++chunks)
            left = left.subspan((chunker.*next_cut)(left));
        bytes += data.size();
    }
    state.SetBytesProcessed(static_cast<std::int64_t>(bytes));
    state.counters["mean_KiB"] = static_cast<double>(bytes / chunks) / 1024;
}

void register_all() {
    static constexpr Corpus corpora[] = {
        {"random", [] { return random_data(corpus_bytes); }},
        {"text", [] { return text_data(corpus_bytes); }},
        {"zeros", [] { return Bytes(corpus_bytes); }},
        {"crafted_periodic", [] { return crafted_data(1); }},
        {"crafted_runs", runs_data},
        {"crafted_different", [] { return crafted_data(SIZE_MAX); }},
    };
    for (const Corpus& corpus : corpora) {
        for (const std::uint32_t avg_kib : {64u, 512u}) {
            const std::string name =
                std::string(corpus.name) + "/avg_KiB:" + std::to_string(avg_kib);
            const auto add = [&](const char* code, NextCut next_cut) {
                benchmark::RegisterBenchmark((name + code).c_str(), [=](benchmark::State& state) {
                    chunk(state, corpus.make(), avg_kib * 1024, next_cut);
                });
            };
            add("/portable", &Chunker::next_cut_portable);
            add("/best", &Chunker::next_cut);
        }
    }
}

}  // namespace
}  // namespace holdfast

int main(int argc, char** argv) {
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
    holdfast::register_all();
    benchmark::RunSpecifiedBenchmarks();
    return 0;
}
