// Made-up input for the micro-benchmarks, the same in every run.
#pragma once

#include <string>
#include <vector>

#include "support/generator.h"

namespace holdfast {

inline Bytes random_data(std::size_t bytes) {
    Generator generator(1);
    Bytes data(bytes);
    generator.fill(data);
    return data;
}

// Words of a vocabulary, the first far more often than the last: zstd shrinks it about as it does
// source code.
inline Bytes text_data(std::size_t bytes) {
    Generator generator(2);
    std::vector<std::string> words(2000);
    for (auto& word : words) {
        for (std::uint64_t left = 1 + generator.next() % 10; left != 0; --left)
            word.push_back(static_cast<char>('a' + generator.next() % 26));
        word.push_back(generator.next() % 12 == 0 ? '\n' : ' ');
    }
    Bytes data;
    while (data.size() < bytes) {
        const std::uint64_t range = 1 + generator.next() % words.size();
        const ByteSpan word = as_bytes(words[generator.next() % range]);
        data.insert(data.end(), word.begin(), word.end());
    }
    data.resize(bytes);
    return data;
}

}  // namespace holdfast
