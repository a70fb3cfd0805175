// Collects an object that a storage can only take whole.
#pragma once

#include <functional>

#include "base/unique_fd.h"
#include "storage/storage.h"

namespace holdfast {

// Pieces stay in memory up to 1 MiB; what is larger goes to a file without a name (open_temporary_file) and is mapped
// at the end: page cache, not memory of the process.
class SpooledWriter final : public ObjectWriter {
  public:
    // Stores the whole object, which lives until it returns.
    using Store = std::function<Status(ByteSpan whole)>;

    explicit SpooledWriter(Store store) : store_(std::move(store)) {}

    // Errors: out_of_space when there is no room for the file.
    Status append(ByteSpan data) override;
    // Errors: of `store`.
    Status commit(Durability durability) override;

  private:
    Status spill();

    const Store store_;
    Bytes waiting_;  // not in the file yet
    UniqueFd file_;
};

}  // namespace holdfast
