// A tree that needs no disk: for tests and measurements of very large trees.
#pragma once

#include "source/source.h"

namespace holdfast {

// `generated:files=10000000,seed=1,version=2,changed=1000`: the entries follow from these numbers
// alone. One in `changed` files differs from version 1, others for each version.
struct GeneratedTree {
    std::uint64_t files = 1000;
    std::uint64_t seed = 1;
    std::uint64_t version = 1;
    std::uint64_t changed_one_in = 1000;
    // Errors: invalid_argument.
    static Result<GeneratedTree> parse(std::string_view text);
};

// Directories of 1,000 files, 100 of them in a directory; contents of 40 to 440 bytes, one in 5,000
// of 200 KiB.
class GeneratedSource final : public Source {
  public:
    explicit GeneratedSource(const GeneratedTree& tree) : tree_(tree) {}
    Result<std::unique_ptr<SourceStream>> walk() override;
    Result<std::unique_ptr<SourceFile>> open(const SourceEvent& event) override;
    Status complete(const SourceEvent&, Metadata&) override { return {}; }

    // The content of file `number`, for comparison.
    static Bytes content(const GeneratedTree& tree, std::uint64_t number);

  private:
    const GeneratedTree tree_;
};

}  // namespace holdfast
