// Reads a file's content into the repository. docs/format.md#content.
#pragma once

#include "backup/chunk_members.h"
#include "source/source.h"

namespace holdfast {

// One reading thread's tools and buffers: 4 MiB, and 1 MiB for changed pages.
class FileContentReader {
  public:
    explicit FileContentReader(const ContentContext& context);

    // The content of `file`, which has `bytes`; `name` and the previous version of it (or null) tell
    // whether it is compared page by page. Errors: conflict when the file ends early.
    Result<Content> read(SourceFile& file,
                         std::string_view name,
                         std::uint64_t bytes,
                         const Entry* previous);

    // The content of a stream, to its end; `bytes` becomes its size.
    Result<Content> read_stream(SourceFile& file, std::uint64_t& bytes);

  private:
    Status add_chunked(SourceFile& file,
                       const SourceExtent& extent,
                       std::uint32_t page_bytes,
                       ExtentBuilder& extents);
    Status add_chunk(ByteSpan chunk, std::uint32_t page_bytes, ExtentBuilder& extents);
    Status fill(SourceFile& file, std::uint64_t offset, MutableByteSpan out);

    ContentContext context_;
    ChunkMembers chunks_;
    NodeStore nodes_;
    Bytes buffer_;
};

bool is_all_zero(ByteSpan data);

}  // namespace holdfast
