// Where to divide a listing.
#pragma once

#include <string>
#include <vector>

namespace holdfast {

// Keeps some of many keys, evenly: at most 1,024.
class KeySampler {
  public:
    void add(const std::string& key);
    // Up to `count` keys that divide those that were added into parts of about the same number; ascending, each once.
    std::vector<std::string> borders(std::size_t count) const;

  private:
    std::vector<std::string> keys_;
    std::size_t step_ = 1, until_next_ = 1;
};

}  // namespace holdfast
