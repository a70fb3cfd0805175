#include "backup/chunkers.h"

namespace holdfast {
namespace {

ChunkerParameters usual(const ChunkSizes& sizes) {
    return {sizes.min_bytes, sizes.avg_bytes, sizes.max_bytes};
}

// A repository may have sizes that leave no room for other ones.
ChunkerParameters valid_or_usual(const ChunkerParameters& wanted, const ChunkSizes& sizes) {
    return wanted.valid() ? wanted : usual(sizes);
}

}  // namespace

Chunkers::Chunkers(const ChunkSizes& sizes, const SecretKey& key)
    : contents(usual(sizes), key),
      pages(valid_or_usual({sizes.min_bytes * 4, sizes.avg_bytes * 2, sizes.max_bytes}, sizes), key),
      members(valid_or_usual({sizes.min_bytes / 8, sizes.avg_bytes / 8, sizes.max_bytes / 8}, sizes),
              key) {}

}  // namespace holdfast
