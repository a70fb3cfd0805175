// What parity gives back of a damaged object. docs/format.md#parity.
#pragma once

#include <functional>
#include <map>
#include <memory>

#include "format/envelope.h"
#include "storage/storage.h"

namespace holdfast {

// Needs no key: what comes out is proven by the checksums of the stored bytes, and by the seals of who reads
// it. Not thread-safe. Memory: 1 MiB, 4 bytes for each 4 KiB of the object, and as much as its parity.
class ObjectMender {
  public:
    // `object_bytes` is the size that the object has now. Errors: not_found; corrupt when there is no parity,
    // or none is left that could help; unavailable, ....
    static Result<std::unique_ptr<ObjectMender>> open(Storage& storage,
                                                      std::string name,
                                                      std::uint64_t object_bytes);

    const EnvelopeTrailer& trailer() const { return trailer_; }
    // Fills `out` with the body from `offset` on, as it was written, as far as the cells' checksums prove it.
    // Errors: corrupt when too much of it is lost.
    Status read_body(std::uint64_t offset, MutableByteSpan out);
    // Gives all of the object as it was written, in pieces. Ends with an error when that cannot be proven:
    // what `take` got is worth nothing then.
    Status write(const std::function<Status(ByteSpan)>& take);

  private:
    ObjectMender(Storage& storage, std::string name, std::uint64_t object_bytes)
        : storage_(storage), name_(std::move(name)), object_bytes_(object_bytes) {}
    Error lost() const;
    Status find_trailer();
    Status search_trailer();
    Status read_summary();
    Status read_stored(std::uint64_t offset, MutableByteSpan out);
    // A cell: by its slice (data, then parity) and column.
    std::size_t bytes_of(std::size_t slice, std::size_t column) const;
    std::size_t checksum_number(std::size_t slice, std::size_t column) const;
    std::uint64_t offset_of(std::size_t slice, std::size_t column) const;
    Result<bool> read_cell(std::size_t slice, std::size_t column, MutableByteSpan out);
    Status mend_column(std::size_t column);

    Storage& storage_;
    const std::string name_;
    const std::uint64_t object_bytes_;
    EnvelopeTrailer trailer_;
    std::vector<std::uint32_t> checksums_;
    std::map<std::pair<std::size_t, std::size_t>, Bytes> mended_;  // (column, data slice) -> cell
};

}  // namespace holdfast
