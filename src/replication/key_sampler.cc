#include "replication/key_sampler.h"

#include <algorithm>

namespace holdfast {
namespace {

constexpr std::size_t max_keys = 1024;

}  // namespace

void KeySampler::add(const std::string& key) {
    if (--until_next_ != 0) return;
    keys_.push_back(key);
    if (keys_.size() == max_keys) {
        for (std::size_t i = 0; i < max_keys / 2; ++i) keys_[i] = std::move(keys_[2 * i]);
        keys_.resize(max_keys / 2);
        step_ *= 2;
    }
    until_next_ = step_;
}

std::vector<std::string> KeySampler::borders(std::size_t count) const {
    std::vector<std::string> sorted = keys_, borders;
    std::sort(sorted.begin(), sorted.end());
    for (std::size_t i = 1; i <= count && !sorted.empty(); ++i) {
        const std::string& key = sorted[i * sorted.size() / (count + 1)];
        if (borders.empty() || key > borders.back()) borders.push_back(key);
    }
    return borders;
}

}  // namespace holdfast
