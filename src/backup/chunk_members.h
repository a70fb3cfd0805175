// Chunks of large files, stored member by member.
#pragma once

#include "backup/content_context.h"
#include "repository/tree_builder.h"

namespace holdfast {

// Divides each chunk into members of 64 KiB on average. A chunk that is known is one run; of another
// one, only the members that no chunk has are stored, together. Not thread-safe.
class ChunkMembers {
  public:
    explicit ChunkMembers(const ContentContext& context) : context_(context) {}

    Status add(ByteSpan chunk, ExtentBuilder& extents);

  private:
    struct Member {
        std::uint32_t offset = 0;  // in the chunk
        std::uint32_t bytes = 0;
        Digest hash;
        std::optional<MemberPlace> place;
    };
    void divide(ByteSpan chunk);
    ChunkId id_of_all() const;
    // Stores those that have no place, which then have one.
    void store_new(ByteSpan chunk);

    ContentContext context_;
    std::vector<Member> members_;  // of one chunk: at most 129 with the usual sizes
};

}  // namespace holdfast
