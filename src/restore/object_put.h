// Files of a restore point on their way to become objects.
#pragma once

#include "format/entry.h"
#include "repository/chunk_reader.h"
#include "s3/s3_client.h"

namespace holdfast {

struct ObjectToPut {
    std::string key;
    Entry entry;  // a file
};

// Up to this size objects are put several at once.
inline constexpr std::uint64_t small_object_bytes = 256u << 10;
// What one call of put_small gets at most: 2 MiB of content, and as many requests as there are connections for.
inline constexpr std::uint64_t put_together_bytes = 2u << 20;
inline constexpr std::size_t put_together_objects = 16;

// Thread-safe, as what they use is.
class ObjectPutter {
  public:
    ObjectPutter(S3Client& client, ChunkReader& chunks, const Index& index)
        : client_(client), chunks_(chunks), index_(index) {}

    // The result for each one in turn.
    std::vector<Status> put_small(std::span<const ObjectToPut> objects);
    // One of any size.
    Status put(const ObjectToPut& object);
    // Deletes what has the key; where versions are kept, leaves a mark.
    Status remove(const std::string& key);

  private:
    void read_small(std::span<const ObjectToPut> objects, std::vector<Bytes>& contents, std::vector<Status>& results);

    S3Client& client_;
    ChunkReader& chunks_;
    const Index& index_;
};

// The value of an attribute; empty when there is none.
std::string attribute_value(const Metadata& metadata, std::string_view name);

}  // namespace holdfast
